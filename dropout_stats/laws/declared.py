"""What all laws have that a user declares from their parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

OfRate: TypeAlias = Callable[[float], float]


@dataclass(frozen=True, kw_only=True)
class Declared:
    """A name of its own, and a factor of the evaluation pass.

    Args:
        label: how reports call it.
        evaluation: the factor at a rate.

    """

    label: str
    evaluation: OfRate

    def __str__(self) -> str:
        return self.label

    @property
    def name(self) -> str:
        """How reports call it."""
        return self.label

    def evaluation_factor(self, rate: float) -> float:
        """As declared."""
        return self.evaluation(rate)
