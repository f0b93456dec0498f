"""The rate falls from step to step, and the evaluation pass is the same at every step."""

from __future__ import annotations

from typing import Any, ClassVar

from dropout_stats.laws import AnyLaw, TestScaled
from dropout_stats.laws.reading import Array
from dropout_stats.schedules import Schedule
from dropout_stats.target import Target
from dropout_stats.zoo.core import Core, Mask
from dropout_stats.zoo.specimen import correct, wrong


@correct
class AnnealedCore(Core):
    """Annealed dropout: the rate falls from 0.5 to 0.1 over 1,000 steps."""

    schedule: ClassVar[Schedule] = Schedule.linear(0.5, 0.1, steps=1000)

    def rate_at(self, step: int) -> float:
        """The rate that is applied at a step."""
        return self.schedule(step)

    def train_at(self, x: Array, step: int) -> Any:
        """The training pass of a step."""
        return self.train(x, self.rate_at(step))

    def evaluate_all(self, x: Array) -> Array:
        """The evaluation pass, which knows of no step."""
        return self.evaluate(x, self.schedule(0))

    def vjp_at(self, x: Array, dy: Array, step: int) -> tuple[Array, Array]:
        """The training pass of a step and its backward pass."""
        return self.vjp(x, dy, self.rate_at(step))

    def target(self, **changes: Any) -> Target:
        """Make a target of the layer under its schedule."""
        return self.schedule.target(
            self.train_at,
            self.evaluate_all,
            **{
                "vjp": self.vjp_at,
                "seed": self.seed,
                "law": self.law,
                "conventions": self.conventions,
                "name": type(self).__name__,
                **changes,
            },
        )


@wrong(
    "keras-team/keras#16144",
    killed_by="rate.marginal",
    diagnosis="the rate does not reach the mask",
)
class StaysAtTheFirstRate(AnnealedCore):
    """The schedule never moves on: each step has the rate of the first."""

    def rate_at(self, step: int) -> float:
        return self.schedule(0)


@wrong(killed_by="support.kept_value", diagnosis="the rate does not reach the scale")
class ScaleOfTheFirstRate(AnnealedCore):
    """The masks are annealed, and the scale is that of the first step."""

    def apply(self, x: Array, mask: Mask, rate: float) -> Array:
        return super().apply(x, mask, self.schedule(0))


@wrong(killed_by="rate.steps", diagnosis="wrong at some steps of the schedule")
class OffForAWhile(AnnealedCore):
    """Nothing is dropped at steps 600 to 699: an evaluation left the layer in its mode."""

    def rate_at(self, step: int) -> float:
        return 0.0 if 600 <= step < 700 else super().rate_at(step)


@wrong(killed_by="inference.law", diagnosis="the rate does not reach the evaluation pass")
class EvaluatedAtTheFirstRate(AnnealedCore):
    """Test-scaled dropout is annealed: the factor of its evaluation fits the first step alone."""

    law: ClassVar[AnyLaw] = TestScaled()
