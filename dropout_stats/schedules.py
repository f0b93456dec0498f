"""Rates that change from step to step: annealed dropout, and the targets that follow a schedule."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dropout_stats.conventions import Conventions
from dropout_stats.errors import UsageError
from dropout_stats.laws import AnyLaw
from dropout_stats.target import Steps, Target
from dropout_stats.values import NEAREST_RATE, listed, number, require, whole

_APART = f"0, 1, or {NEAREST_RATE:g} away from both"
_SPREAD = 5  # steps that are judged, unless others are asked for
_SWEPT = 1024  # steps at which one call is made


@dataclass(frozen=True)
class Schedule:
    """The drop rate at each step of training.

    Rennie, Goel and Thomas (2014) anneal the rate towards 0; Morerio et al. (2017) let it rise from
    0. Inverted dropout has one evaluation pass for all steps. Test-scaled dropout has one only at
    the step whose rate it is evaluated with: see `evaluation_over_training`.

    Args:
        rate: `rate(step)`, the drop rate at a step; steps are counted from 0.
        steps: how many steps there are; later ones have the rate of the last.
        name: how reports call it.

    """

    rate: Callable[[int], float]
    steps: int
    name: str = "a schedule"

    def __post_init__(self) -> None:
        require(callable(self.rate), "Schedule(rate=...)", self.rate, "a function of the step")
        require(
            whole("Schedule(steps=...)", self.steps) > 0,
            "Schedule(steps=...)",
            self.steps,
            "at least 1",
        )

    def __call__(self, step: int) -> float:
        """The drop rate at a step.

        Raises:
            UsageError: the step is negative, or its rate does not lie in [0, 1].

        """
        require(whole("step", step) >= 0, "step", step, "0 or more")
        rate = number(f"the rate at step {step}", self.rate(min(step, self.steps - 1)))
        require(0 <= rate <= 1, f"the rate at step {step}", rate, "in [0, 1]")
        return rate

    def __str__(self) -> str:
        return f"{self.name} over {self.steps} steps"

    @staticmethod
    def constant(rate: float, *, steps: int = 1) -> Schedule:
        """The same rate at every step."""
        number("rate", rate)
        return Schedule(lambda _: rate, steps, f"constant {rate:g}")

    @staticmethod
    def linear(first: float, last: float, *, steps: int) -> Schedule:
        """From the first rate to the last by equal steps."""
        return _between("linear", first, last, steps, lambda part: _mixed(first, last, part))

    @staticmethod
    def cosine(first: float, last: float, *, steps: int) -> Schedule:
        """From the first rate to the last along half a cosine."""
        return _between(
            "cosine",
            first,
            last,
            steps,
            lambda part: _mixed(first, last, (1 - math.cos(math.pi * part)) / 2),
        )

    @staticmethod
    def exponential(first: float, last: float, *, steps: int) -> Schedule:
        """From the first rate to the last by equal factors; neither is 0."""
        for name, rate in (("first", first), ("last", last)):
            require(number(name, rate) > 0, name, rate, "above 0: an exponential does not reach it")
        return _between(
            "exponential",
            first,
            last,
            steps,
            lambda part: last if part == 1 else first * (last / first) ** part,
        )

    @staticmethod
    def curriculum(last: float, *, steps: int, gamma: float = 10.0) -> Schedule:
        """From 0 towards the last rate: rate(t) = last (1 - exp(-gamma t / steps)).

        Morerio et al., Curriculum Dropout (ICCV 2017), whose gamma is 10 / steps.
        """
        for name, value in (("last", last), ("gamma", gamma)):
            number(name, value)
        whole("steps", steps)
        return Schedule(
            lambda step: last * -math.expm1(-gamma * step / steps), steps, f"curriculum to {last:g}"
        )

    def spread(self, count: int = _SPREAD) -> tuple[int, ...]:
        """So many steps from the first to the last, evenly spread; fewer where there are fewer.

        Without those whose rate is too near 0 or 1 to be told from it.
        """
        require(whole("count", count) >= 2, "count", count, "2 or more: the first and the last")
        ends = range(self.steps) if self.steps <= count else _evenly(self.steps, count)
        return tuple(step for step in ends if _can_be_judged(self(step)))

    def evaluation_over_training(self, law: AnyLaw, step: int, evaluated_at: int) -> float:
        """Evaluation output over the mean of the training pass at a step.

        Args:
            law: the law of the layer.
            step: a step of training.
            evaluated_at: the step whose rate the evaluation pass uses.

        Returns:
            law.evaluation_factor(rate at `evaluated_at`) / law.mean(rate at `step`): 1 at every
            step for inverted dropout; keep_prob / keep_prob for test-scaled, which is 1 at steps of
            one rate alone.

        """
        return law.evaluation_factor(self(evaluated_at)) / law.mean(self(step))

    def target(
        self,
        train: Callable[[Any, int], Any],
        evaluate: Callable[[Any], Any] | None = None,
        *,
        vjp: Callable[[Any, Any, int], Any] | None = None,
        seed: Callable[[int], object] | None = None,
        law: AnyLaw | None = None,
        conventions: Conventions | None = None,
        name: str = "",
        steps: Sequence[int] | None = None,
    ) -> Target:
        """Make a target of a layer that follows this schedule.

        Each step that is judged is one rate of the run: what is applied at the step must be what
        the schedule says, and E[A] = a must hold at all of them with one evaluation pass.

        Args:
            train: `train(x, step) -> y`: one training pass at a step.
            evaluate: `evaluate(x) -> y`: the evaluation pass, the same for all steps.
            vjp: `vjp(x, dy, step) -> (y, dx)`: a training pass at a step, and its backward pass.
            seed: `seed(n)`: resets the randomness.
            law: the law that it declares.
            conventions: the interface that it declares.
            name: how reports call it.
            steps: the steps that are judged; by default five, the first and the last among them.

        Raises:
            UsageError: no step that is judged has a rate inside (0, 1).

        """
        require(callable(train), "train", train, "a function (x, step)")
        judged = self.spread()
        if steps is not None:
            judged = listed("steps", steps, whole, "a list of steps such as [0, 500]")
        for step in judged:
            require(_can_be_judged(self(step)), f"the rate at step {step}", self(step), _APART)
        at = _Steps(self, judged)

        def pulled(x: Any, dy: Any, rate: float, **key: int) -> Any:
            return vjp(x, dy, at.next(rate), **key) if vjp else None

        return Target(
            train=lambda x, rate, **key: train(x, at.next(rate), **key),
            evaluate=None if evaluate is None else lambda x, rate: evaluate(x),  # noqa: ARG005
            vjp=pulled if vjp else None,
            seed=None if seed is None else at.with_seed(seed),
            name=name or f"{getattr(train, '__name__', 'a layer')} under {self}",
            law=law,
            # What is handed over is a step, however the layer names its rate.
            conventions=replace(conventions or Conventions(), rates=at.rates, rate_argument="rate"),
            steps=self._swept(train),
            notes=tuple(f"rate {self(step):.7g} is that of step {step}" for step in judged),
        )

    def _swept(self, train: Callable[[Any, int], Any]) -> Steps:
        steps = range(self.steps) if self.steps <= _SWEPT else _evenly(self.steps, _SWEPT)
        rates = {step: self(step) for step in steps}
        judged = {step: rate for step, rate in rates.items() if _can_be_judged(rate)}
        return Steps(train, judged, left_out=len(rates) - len(judged))


class _Steps:
    """Which step has a rate; steps of one rate take turns."""

    def __init__(self, schedule: Schedule, judged: Sequence[int]) -> None:
        self._steps: dict[float, list[int]] = {}
        for step in judged:
            self._steps.setdefault(schedule(step), []).append(step)
        if not any(0 < rate < 1 for rate in self._steps):
            raise UsageError(
                f"{schedule} has no rate inside (0, 1) at the steps {tuple(judged)}: nothing to "
                "judge there. Name other steps: target(..., steps=[...])"
            )
        self.restart()

    @property
    def rates(self) -> tuple[float, ...]:
        """The rates of the steps that are judged."""
        return tuple(self._steps)

    def with_seed(self, seed: Callable[[int], object]) -> Callable[[int], None]:
        """Seed, and begin with the first step of each rate."""

        def restart(number: int) -> None:
            self.restart()
            seed(number)

        return restart

    def restart(self) -> None:
        """Begin with the first step of each rate."""
        self._turns: dict[float, Iterator[int]] = {
            rate: itertools.cycle(steps) for rate, steps in self._steps.items()
        }

    def next(self, rate: float) -> int:
        """The next step of a rate."""
        if rate not in self._turns:
            raise ValueError(f"no step that is judged has the rate {rate!r}")
        return next(self._turns[rate])


def _between(
    name: str, first: float, last: float, steps: int, at: Callable[[float], float]
) -> Schedule:
    """From the first rate to the last, by the part of the way that is done."""
    for which, rate in (("first", first), ("last", last)):
        number(which, rate)
    way = max(1, whole("steps", steps) - 1)
    return Schedule(lambda step: at(step / way), steps, f"{name} from {first:g} to {last:g}")


def _mixed(first: float, last: float, part: float) -> float:
    """Part of the way from one rate to the other; each end is met exactly."""
    return first * (1 - part) + last * part


def _evenly(steps: int, count: int) -> list[int]:
    return [round(place * (steps - 1) / (count - 1)) for place in range(count)]


def _can_be_judged(rate: float) -> bool:
    near = min(rate, 1 - rate)
    return near == 0 or near >= NEAREST_RATE
