"""The bench: one target held by its law and conventions, with inputs made for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar, cast

import numpy as np

from dropout_stats.call import Caller
from dropout_stats.conventions import Conventions
from dropout_stats.errors import TargetError
from dropout_stats.inputs import branch, distinct
from dropout_stats.laws import AnyLaw
from dropout_stats.laws.reading import Array, kept_tolerance

_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class Evaluation:
    """What two evaluation passes of one input did.

    Args:
        low: smallest output/input; None where an output is not finite.
        high: largest, likewise.
        factor: the one factor of all units; None if there is no such factor.
        zeros: share of outputs that are zero.
        repeats: whether the second pass gave the same values.
        worst: where the output is farthest from the law's, in words; None if it follows the law.
        units: units evaluated.

    """

    low: float | None
    high: float | None
    factor: float | None
    zeros: float
    repeats: bool
    worst: str | None
    units: int


@dataclass
class Bench:
    """Everything a check needs to ask its question.

    Args:
        caller: makes the calls.
        law: the declared law.
        conventions: the declared interface.
        seed: the seed of the run; inputs derive from it.
        shapes: shapes that the target takes.
        large_shape: a shape of many units that it takes, too.
        power: probability of catching a departure as large as a stated resolution.
        only_these_shapes: whether no other shape may be tried: the caller chose them, or each
            costs a compilation.

    """

    caller: Caller
    law: AnyLaw
    conventions: Conventions
    seed: int
    shapes: tuple[tuple[int, ...], ...]
    large_shape: tuple[int, ...]
    power: float
    only_these_shapes: bool = False
    _observed: dict[str, str] = field(default_factory=dict)
    _answers: dict[tuple[object, ...], object] = field(default_factory=dict)

    def inputs(self, shape: tuple[int, ...], dtype: str, *labels: object) -> Array:
        """Return an input for one place of the run."""
        return distinct(np.random.default_rng(branch(self.seed, "inputs", *labels)), shape, dtype)

    def observe(self, what: str, how: str = "") -> None:
        """Record what the target does where it declared nothing; `how` of the first time only."""
        self._observed.setdefault(what, how)

    @property
    def observations(self) -> dict[str, None]:
        """What was recorded by checks and caller."""
        said = [f"{what}: {how}" if how else what for what, how in self._observed.items()]
        return self.caller.observations | dict.fromkeys(said)

    @property
    def largest_shape(self) -> tuple[int, ...]:
        """The largest of the shapes."""
        return max(self.shapes, key=lambda shape: int(np.prod(shape)))

    def units(self, shape: tuple[int, ...]) -> int:
        """Draws in a call of this shape."""
        return self.law.sharing.units(shape)

    def train(self, x: Array, rate: float) -> Array:
        """Output of one training pass on a copy of the input; TargetError for another shape."""
        y = self.caller.train(x.copy(), rate).y
        return _of_shape(x, y, lambda: self.caller.describe("train", x, rate))

    def train_at(self, x: Array, step: int) -> Array:
        """The same at a step of the schedule that the target follows."""
        y = self.caller.train_at(x.copy(), step).y
        return _of_shape(x, y, lambda: self.caller.describe_step(x, step))

    def evaluation(self, rate: float, dtype: str) -> Evaluation:
        """Evaluate one input twice; the answer is remembered."""
        return self.remember(("evaluation", rate, dtype), lambda: self._evaluate(rate, dtype))

    def remember(self, place: tuple[object, ...], ask: Callable[[], _Answer]) -> _Answer:
        """Ask once for each place, for all checks that want to know; TargetError is kept, too.

        Raises:
            TargetError: the target gave one when it was asked, now or before.

        """
        if place not in self._answers:
            try:
                self._answers[place] = ask()
            except TargetError as error:
                self._answers[place] = error
        known = self._answers[place]
        if isinstance(known, TargetError):
            raise known
        return cast("_Answer", known)

    def _evaluate(self, rate: float, dtype: str) -> Evaluation:
        x = self.inputs(self.largest_shape, dtype, "evaluation", rate, dtype)
        self.caller.seed("evaluation", rate, dtype)
        handed = x.copy()
        first = self.caller.evaluate(handed, rate).copy()  # a target may use one buffer for all
        second = self.caller.evaluate(x.copy(), rate)
        call = f"evaluate(x of shape {x.shape} {dtype}, rate={rate:g})"
        if first.shape != x.shape:
            raise TargetError(call, f"returned the shape {first.shape}; expected {x.shape}")
        declared = self.conventions.output_dtype(dtype)
        if first.dtype.name != declared:
            raise TargetError(call, f"returned {first.dtype.name}; expected {declared}")
        if handed.tobytes() != x.tobytes():
            raise TargetError(call, "changed its input in place; expected it unchanged")
        given, got = x.astype(np.float64), first.astype(np.float64)
        ratios = got / given
        expected = self.law.evaluation_factor(rate)
        untouched = expected == 1 and first.dtype == x.dtype
        tolerance = 0.0 if untouched else kept_tolerance(declared, rate)
        low, high = float(ratios.min()), float(ratios.max())
        finite = bool(np.isfinite(ratios).all())
        middle = (low + high) / 2
        one = finite and high - low <= 4 * kept_tolerance(declared, 0.0) * abs(middle)
        return Evaluation(
            low=low if finite else None,
            high=high if finite else None,
            factor=middle if one else None,
            zeros=float(np.mean(got == 0)),
            repeats=bool(np.array_equal(first, second, equal_nan=True)),
            worst=_worst(given, got, expected, tolerance),
            units=x.size,
        )


def _of_shape(x: Array, y: Array, call: Callable[[], str]) -> Array:
    if y.shape != x.shape:
        raise TargetError(call(), f"returned an output of shape {y.shape}; expected {x.shape}")
    return y


def _worst(given: Array, got: Array, factor: float, tolerance: float) -> str | None:
    expected = np.asarray(given, np.float64) * factor
    distance = np.abs(np.asarray(got, np.float64) - expected)
    wrong = ~(distance <= tolerance * np.abs(expected))
    if not wrong.any():
        return None
    place = int(np.argmax(np.where(wrong, np.nan_to_num(distance, nan=np.inf), -1)))
    index = tuple(int(i) for i in np.unravel_index(place, wrong.shape))
    return (
        f"{int(wrong.sum())} of {wrong.size} outputs differ; at index {index} the input "
        f"{given[index]:.9g} became {got[index]:.9g}; expected {expected[index]:.9g}"
    )
