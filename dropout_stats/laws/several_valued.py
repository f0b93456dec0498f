"""Laws whose multiplier takes one of several values, each with a probability of its own.

An output shows which value it was, so the values of a call are counted as they are. The bit of a
unit says whether its value is one of those that together have a probability nearest to 1/2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dropout_stats import dtypes
from dropout_stats.errors import UsageError
from dropout_stats.laws.declared import Declared
from dropout_stats.laws.law import AnyLaw, Kind
from dropout_stats.laws.reading import Array, Reading, Violation, kept_tolerance, unravelled
from dropout_stats.laws.sharing import Sharing, Unit
from dropout_stats.values import wrong

Atoms: TypeAlias = Callable[[float], Mapping[float, float]]

_SUMS_TO_ONE = 1e-9
_SMALLEST_INPUT = 2.0**-8  # that a stream hands over


class Value(NamedTuple):
    """One value of a multiplier."""

    value: float
    chance: float


def read_atoms(name: str, atoms: Atoms, rate: float) -> dict[float, float]:
    """The values and their probabilities, as numbers.

    Raises:
        UsageError: they are none.

    """
    declared = atoms(float(rate))
    try:
        return {float(value): float(chance) for value, chance in dict(declared).items()}
    except (TypeError, ValueError):
        expected = "a dictionary {value: probability}"
        raise wrong(f"the atoms of {name} at rate {rate:g}", declared, expected) from None


@dataclass(frozen=True, kw_only=True)
class SeveralValued(Declared):
    """M is one of several values; `Law` says what the parts are."""

    kind: ClassVar[Kind] = "several-valued"

    atoms: Atoms
    unit: Unit = "element"

    def __post_init__(self) -> None:
        Sharing(self.unit)  # refuses what is none

    @property
    def sharing(self) -> Sharing:
        """Which elements share one draw."""
        return Sharing(self.unit)

    def values(self, rate: float) -> tuple[Value, ...]:
        """The values that M takes and their probabilities, from the smallest; at rate 0 it is 1.

        Raises:
            UsageError: the atoms are no distribution. A plan asks first.

        """
        return _values(self, float(rate)) if rate else (Value(1.0, 1.0),)

    def in_event(self, rate: float) -> tuple[bool, ...]:
        """Which of the values set the bit of a unit."""
        return _event([value.chance for value in self.values(rate)])

    def keep_probs(self, rate: float) -> tuple[float, ...]:
        """The probability of a unit's bit."""
        pairs = zip(self.values(rate), self.in_event(rate), strict=True)
        return (math.fsum(value.chance for value, sets in pairs if sets),)

    def mean(self, rate: float) -> float:
        """E[M], the sum of value times probability."""
        return math.fsum(value * chance for value, chance in self.values(rate))

    def variance(self, rate: float) -> float:
        """Var[M]."""
        mean = self.mean(rate)
        return math.fsum((value - mean) ** 2 * chance for value, chance in self.values(rate))

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...], rate: float) -> Array:
        """Draw the multipliers of a call of this shape; they broadcast to it."""
        values, chances = np.transpose(self.values(rate))
        places = rng.random(self.sharing.kept_dims(shape))
        return np.asarray(values[np.searchsorted(chances.cumsum()[:-1], places, side="right")])

    def apply(self, x: Array, noise: Array, rate: float) -> Array:  # noqa: ARG002 - it is in M
        """Multiply, and round once to the type of x."""
        work = dtypes.working(x.dtype.name)
        return np.asarray((x.astype(work) * noise.astype(work)).astype(x.dtype))

    def evaluate(self, x: Array, rate: float) -> Array:
        """Multiply by the evaluation factor, in the type of x."""
        return np.asarray(x * x.dtype.type(self.evaluation_factor(rate)))

    def reader(self, x: Array, rate: float, dtype: str, *, peers: bool = False) -> ValuesReader:
        """Prepare the reading of outputs of type `dtype` for this input; rate below 1."""
        return ValuesReader(self, x, rate, dtype, self.sharing.of_peers(x.ndim, peers=peers))

    def read(self, x: Array, y: Array, rate: float) -> Reading:
        """Recover the values from x (finite, nowhere 0) and y."""
        return self.reader(x, rate, y.dtype.name).read(y)

    def bits(self, x: Array, y: Array, rate: float) -> NDArray[np.bool_]:
        """The bit of each element; x is nowhere 0."""
        shown = self.reader(x, rate, y.dtype.name).shown(y)
        return _any(shown.values, self.in_event(rate))

    def told_apart(self, rate: float, dtype: str) -> None:
        """Refuse a type in whose rounding two values are one.

        Raises:
            UsageError: there are two such.

        """
        tolerance = 2 * kept_tolerance(dtype, rate)
        slack = 2 * dtypes.precision(dtype).tiny / _SMALLEST_INPUT
        for (low, _), (high, _) in pairwise(self.values(rate)):
            if high - low <= tolerance * max(abs(low), abs(high)) + slack:
                raise UsageError(
                    f"the values {low:.9g} and {high:.9g} of {self.name} at rate {rate:g} cannot "
                    f"be told apart in {dtype}: declare other types with Conventions(dtypes=...)"
                )


def values_of(law: AnyLaw, rate: float) -> tuple[Value, ...]:
    """The values of a multiplier that takes several; () where it has a kept value or a density."""
    return law.values(rate) if isinstance(law, SeveralValued) else ()


@lru_cache(maxsize=256)
def _values(law: SeveralValued, rate: float) -> tuple[Value, ...]:
    chances = read_atoms(law.name, law.atoms, rate)
    total = math.fsum(chances.values())
    taken = sorted(value for value, chance in chances.items() if chance > 0)
    lawful = all(math.isfinite(value) for value in chances) and min(chances.values()) >= 0
    if len(taken) < 2 or not lawful or not abs(total - 1) <= _SUMS_TO_ONE:
        raise wrong(
            f"the atoms of {law.name} at rate {rate:g}",
            chances,
            "two finite values or more, with probabilities in (0, 1) that add up to 1",
        )
    return tuple(Value(value, chances[value] / total) for value in taken)


def _event(chances: Sequence[float]) -> tuple[bool, ...]:
    """The values from some one on, or one value alone, whose probability is nearest to 1/2."""
    number = len(chances)
    if number == 1:
        return (True,)
    from_one_on = [tuple(place >= first for place in range(number)) for first in range(1, number)]
    alone = [tuple(place == one for place in range(number)) for one in range(1, number)]

    def distance(event: tuple[bool, ...]) -> float:
        return abs(math.fsum(c for c, sets in zip(chances, event, strict=True) if sets) - 0.5)

    return min((*from_one_on, *alone), key=lambda event: round(distance(event), 12))


def _any(values: Sequence[NDArray[np.bool_]], event: Sequence[bool]) -> NDArray[np.bool_]:
    chosen = [one for one, sets in zip(values, event, strict=True) if sets]
    return np.asarray(np.logical_or.reduce(chosen))


class Shown(NamedTuple):
    """Which value each output shows.

    Args:
        values: where it is the first, the second, ... of the values.
        impossible: where it is none of them; None: nowhere.

    """

    values: list[NDArray[np.bool_]]
    impossible: NDArray[np.bool_] | None = None


class ValuesReader:
    """Reads outputs for one input: which value of the multiplier each of them shows.

    Args:
        law: the law.
        x: the input: finite and nowhere zero.
        rate: the drop rate.
        dtype: name of the type of the output.
        shared: the axes along which elements share one draw.

    """

    def __init__(
        self, law: SeveralValued, x: Array, rate: float, dtype: str, shared: tuple[int, ...] = ()
    ) -> None:
        law.told_apart(rate, dtype)
        self._values = [value for value, _ in law.values(rate)]
        self._event = law.in_event(rate)
        self._given = np.asarray(x, np.float64)
        self._work = dtypes.working(dtype)
        self._expected = list(self._products(kept_tolerance(dtype, rate), dtype))
        self._shared = shared
        self._first = tuple(0 if axis in shared else slice(None) for axis in range(x.ndim))

    def _products(self, tolerance: float, dtype: str) -> Iterator[tuple[Array, Array]]:
        """What each value makes of the input, and how far from it an output may be."""
        for value in self._values:
            exact = self._given * value
            allowed = np.abs(exact) * tolerance + dtypes.precision(dtype).tiny
            yield exact.astype(self._work), allowed.astype(self._work)

    def shown(self, y: Array) -> Shown:
        """Which value each output shows: the nearest one, where it is none of them."""
        got = y.astype(self._work, copy=False)
        with np.errstate(invalid="ignore", over="ignore"):
            values = [np.asarray(np.abs(got - v) <= near) for v, near in self._expected]
            if sum(map(np.count_nonzero, values)) == y.size:
                return Shown(values)
            impossible = ~np.logical_or.reduce(values)
            distances = [np.abs(got - exact)[impossible] for exact, _ in self._expected]
        nearest = np.argmin(distances, axis=0)
        for place, value in enumerate(values):
            value[impossible] = nearest == place
        return Shown(values, impossible)

    def read(self, y: Array) -> Reading:
        """Read one output, of the shape of the input and any real type."""
        values, impossible = self.shown(y)
        drawn = [one[self._first] for one in values]
        bits, torn = _any(drawn, self._event), self._torn(values)
        return Reading(
            units=bits.size,
            kept=int(np.count_nonzero(bits)),
            packed=np.packbits(bits, bitorder="little"),
            violations=0 if impossible is None else int(np.count_nonzero(impossible)),
            example=None if impossible is None else self._explain(y, unravelled(impossible)),
            torn=int(np.count_nonzero(torn)),
            first_torn=unravelled(torn) if torn.any() else None,
            values=np.array([np.count_nonzero(one) for one in drawn], np.int64),
        )

    def _torn(self, values: list[NDArray[np.bool_]]) -> NDArray[np.bool_]:
        """Units some of whose elements show one value, and others do not."""
        if not self._shared:
            return np.zeros((), np.bool_)
        axes = self._shared
        parts = [one.any(axis=axes) & ~one.all(axis=axes) for one in values]
        return np.asarray(np.logical_or.reduce(parts))

    def _explain(self, y: Array, place: tuple[int, ...]) -> Violation:
        lawful = " or ".join(f"{value:.9g}" for value in self._values)
        given: Any = self._given[place]
        with np.errstate(all="ignore"):
            seen = float(np.float64(y[place]) / given)
        return Violation(
            place,
            float(given),
            float(y[place]),
            f"{lawful} times the input; it is {seen:.9g} times",
        )
