"""Inverted dropout: scaled in training, the identity in evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dropout_stats.laws.law import TwoValued


@dataclass(frozen=True)
class Inverted(TwoValued):
    """A = a * mask / (1 - rate) in training, A = a in evaluation.

    E[A] = a, the noise A - a has mean zero, and Var[A] = a^2 rate / (1 - rate).
    """

    name: ClassVar[str] = "inverted"

    def kept_factor(self, rate: float) -> float:
        """1 / (1 - rate)."""
        return 1 / (1 - rate)

    def evaluation_factor(self, rate: float) -> float:  # noqa: ARG002 - the same at every rate
        """1: the evaluation pass is the identity."""
        return 1.0
