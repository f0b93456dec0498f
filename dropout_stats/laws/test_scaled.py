"""Test-scaled dropout: not scaled in training, multiplied by keep_prob in evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dropout_stats.laws.law import TwoValued


@dataclass(frozen=True)
class TestScaled(TwoValued):
    """A = a * mask in training, A = (1 - rate) * a in evaluation (the weight scaling rule).

    E[A] = (1 - rate) a is the evaluation output: the noise around it has mean zero, and
    Var[A] = a^2 rate (1 - rate). Source: Srivastava et al. 2014, section 10.
    """

    name: ClassVar[str] = "test-scaled"
    __test__: ClassVar[bool] = False  # pytest collects classes called Test*

    def kept_factor(self, rate: float) -> float:  # noqa: ARG002 - the same at every rate
        """1: kept units pass unchanged."""
        return 1

    def evaluation_factor(self, rate: float) -> float:
        """1 - rate."""
        return 1 - rate
