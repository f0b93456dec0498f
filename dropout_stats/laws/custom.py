"""Laws that a user declares from their parts."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from scipy.special import ndtr, ndtri

from dropout_stats.errors import UsageError
from dropout_stats.laws.continuous import Multiplicative, Numbers
from dropout_stats.laws.declared import Declared, OfRate
from dropout_stats.laws.law import AnyLaw, TwoValued
from dropout_stats.laws.reading import Array
from dropout_stats.laws.several_valued import Atoms, SeveralValued, read_atoms
from dropout_stats.laws.sharing import Unit
from dropout_stats.values import number, require, text, wrong

Sampler: TypeAlias = Callable[[np.random.Generator, tuple[int, ...], float], Numbers]
Cdf: TypeAlias = Callable[[Numbers, float], Numbers]

_AGREES = 1e-3  # in deviations: numerical integrals, against a mistake in a closed form
_ENDS = (0.0, *(2.0**power for power in range(-12, 22)))  # deviations, each interval by itself
_LEAST = 2.0**-53
_JUMP = 0.01  # of a cdf at one place
_TRIED = 0.37  # a rate at which values that differ are not the same by chance


def Law(  # noqa: N802 - whoever calls it makes a law
    name: str,
    *,
    atoms: Atoms | None = None,
    sampler: Sampler | None = None,
    cdf: Cdf | None = None,
    mean: OfRate | None = None,
    variance: OfRate | None = None,
    unit: Unit = "element",
    evaluation_factor: OfRate | None = None,
) -> AnyLaw:
    """Declare the law of a multiplier M, which has a density, or takes two values or more.

    It then has what the laws of this package have: every check, and a reference.

    Args:
        name: how reports call it.
        atoms: `atoms(rate)` -> {value: probability}: finite values, at rates below 1. Where they
            are 0 and one other value, everything is dropped at rate 1; other laws have no rate 1.
        sampler: `sampler(rng, shape, rate)` -> multipliers of that shape; with a cdf.
        cdf: `cdf(m, rate)` -> P(M <= m), elementwise and continuous in m.
        mean: `mean(rate)`, E[M]; with a cdf, which it is compared with.
        variance: `variance(rate)`, Var[M]; with a cdf, which it is compared with.
        unit: the elements that share one draw, as for `Inverted`.
        evaluation_factor: `evaluation_factor(rate)`; by default 1.

    Raises:
        UsageError: there are neither atoms nor all parts of a law with a density, or both.

    """
    text("the name of a law", name)
    given = {"atoms": atoms, "evaluation_factor": evaluation_factor}
    parts = {"sampler": sampler, "cdf": cdf, "mean": mean, "variance": variance}
    for part, value in {**given, **parts}.items():
        require(value is None or callable(value), f"{part} of {name}", value, "a function")
    missing = [part for part, value in parts.items() if value is None]
    factor = evaluation_factor or _one
    if atoms is not None and len(missing) == len(parts):
        kind = SeveralValued if _takes_others(name, atoms) else Discrete
        return kind(unit=unit, label=name, atoms=atoms, evaluation=factor)
    if atoms is None and sampler and cdf and mean and variance:
        return Continuous(
            unit=unit,
            label=name,
            sampler=sampler,
            distribution=cdf,
            first=mean,
            second=variance,
            evaluation=factor,
        )
    raise UsageError(
        f"the law {name!r} needs either atoms=, or all of sampler=, cdf=, mean= and variance="
        + (f"; missing: {', '.join(missing)}" if atoms is None else ", not both")
    )


def _one(rate: float) -> float:  # noqa: ARG001 - as it is called
    return 1.0


def _takes_others(name: str, atoms: Atoms) -> bool:
    """Whether there are other values than 0 and one more."""
    try:
        values = list(read_atoms(name, atoms, _TRIED))
    except Exception:  # noqa: BLE001 - atoms that are known at a few rates only, or wrong: later
        return False
    return len(values) > 2 or (len(values) == 2 and 0.0 not in values)


@dataclass(frozen=True, kw_only=True)
class Discrete(Declared, TwoValued):  # type: ignore[override]  # elsewhere a class has the name
    """M is 0 or one other value; `Law` says what the parts are."""

    atoms: Atoms

    def _kept(self, rate: float) -> tuple[float, float]:
        """The value that is not 0, and its probability."""
        chances = read_atoms(self.name, self.atoms, rate)
        kept = [value for value in chances if value != 0 and math.isfinite(value)]
        whole = len(kept) == len(chances) - (0.0 in chances) == 1
        inside = whole and (0 < chances[kept[0]] < 1 or rate == 0)
        if not inside or abs(sum(chances.values()) - 1) > 1e-9:
            raise wrong(
                f"the atoms of {self.name} at rate {rate:g}",
                chances,
                "0 and one other value, with probabilities inside (0, 1) that add up to 1",
            )
        return kept[0], chances[kept[0]]

    def keep_probs(self, rate: float) -> tuple[float, ...]:
        """The probability of the value that is not 0; at rate 1 it is never taken."""
        return (0.0,) if rate == 1 else (self._kept(rate)[1],)

    def kept_factor(self, rate: float) -> float:
        """That value."""
        return self._kept(rate)[0]


@dataclass(frozen=True, kw_only=True)
class Continuous(Declared, Multiplicative):  # type: ignore[override]  # as above
    """M has a density; `Law` says what the parts are."""

    sampler: Sampler
    distribution: Cdf
    first: OfRate
    second: OfRate

    def mean(self, rate: float) -> float:
        """As declared."""
        return self.first(rate)

    def variance(self, rate: float) -> float:
        """As declared."""
        return self.second(rate)

    def evaluate(self, x: Array, rate: float) -> Array:
        """Multiply by the evaluation factor, in the type of x."""
        return np.asarray(x * x.dtype.type(self.evaluation_factor(rate)))

    def cdf(self, multiplier: Numbers, rate: float) -> Numbers:
        """As declared."""
        return np.asarray(self.distribution(np.asarray(multiplier), rate), np.float64)

    def score(self, multiplier: Numbers, rate: float, rounding: float = 0.0) -> Numbers:
        """The normal quantile of the probability; NaN where that is 0 or 1 but for rounding."""
        values = np.asarray(multiplier, np.float64)
        slack = rounding * (np.abs(values) + 0.25)  # small multipliers of small inputs underflow
        possible = (self.cdf(values + slack, rate) > 0) & (self.cdf(values - slack, rate) < 1)
        place = np.clip(self.cdf(values, rate), _LEAST, 1 - _LEAST)
        return np.asarray(np.where(possible, ndtri(place), np.nan), np.asarray(multiplier).dtype)

    def kurtosis(self, rate: float) -> float:
        """That of the cdf, by numerical integration."""
        return _kurtosis(self, rate)

    def multiplier(self, score: Numbers, rate: float) -> Numbers:
        """Where the cdf is the probability of a smaller score."""
        chances = ndtr(np.asarray(score, np.float64)).reshape(-1).tolist()
        found = [_quantile(self, rate, chance) for chance in chances]
        return np.reshape(np.array(found), np.shape(score))

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...], rate: float) -> Numbers:
        """Draw with the sampler that was declared."""
        units = self.sharing.kept_dims(shape)
        return np.asarray(self.sampler(rng, units, rate)) if rate else np.ones(units)

    def keep_probs(self, rate: float) -> tuple[float, ...]:
        """As for any law with a density, once mean and variance agree with the cdf.

        Raises:
            UsageError: they do not. A plan asks first, so no target is accused of it.

        """
        if rate:
            _agree(self, rate)
        return super().keep_probs(rate)


@lru_cache(maxsize=1024)
def _quantile(law: Continuous, rate: float, chance: float) -> float:
    from scipy.optimize import brentq

    mean, deviation = law.mean(rate), math.sqrt(law.variance(rate))
    odds = math.sqrt(chance / (1 - chance))  # it is never farther out: Cantelli's inequality
    low, high = mean - deviation / odds, mean + deviation * odds
    return float(brentq(lambda m: float(law.cdf(np.array(m), rate)) - chance, low, high))


def _rises(law: Continuous, rate: float, mean: float, deviation: float) -> None:
    """The cdf must take arrays, and be one."""
    places = mean + deviation * np.linspace(-8, 8, 1025)
    what = f"the cdf of {law.name} at rate {rate:g}"
    try:
        found = np.asarray(law.distribution(places, rate), np.float64)
    except Exception as error:
        raise UsageError(
            f"{what} must work elementwise on arrays; of {len(places)} numbers it raised "
            f"{type(error).__name__}: {error}"
        ) from error
    steps = np.diff(found) if found.shape == places.shape else np.array([np.nan])
    if not (np.isfinite(found).all() and (steps >= -1e-12).all()):
        raise wrong(what, found, "numbers of the shape of its argument, which never fall")
    place = int(steps.argmax())
    jump, where = _jump(law, rate, places[place], places[place + 1])
    if jump > _JUMP and abs(where) > _AGREES * deviation:  # near 0 a density may be infinite
        raise UsageError(
            f"{what} jumps by {jump:.2g} at {where:.6g}: it is not continuous. Noise of a few "
            "values is declared by atoms="
        )


def _jump(law: Continuous, rate: float, low: float, high: float) -> tuple[float, float]:
    """How much the cdf rises at its steepest place between two, and where that is."""
    for _ in range(48):
        ends = law.cdf(np.array([low, (low + high) / 2, high]), rate)
        first = ends[1] - ends[0] > ends[2] - ends[1]
        low, high = (low, (low + high) / 2) if first else ((low + high) / 2, high)
    ends = law.cdf(np.array([low, high]), rate)
    return float(ends[1] - ends[0]), high


def _expected(law: Continuous, rate: float, derivative: Callable[[float], float]) -> float:
    """The mean of a function of (M - mean) / deviation that is 0 at 0, by its derivative."""
    from scipy.integrate import quad

    mean, deviation = law.mean(rate), math.sqrt(law.variance(rate))

    def below(m: float) -> float:
        return float(law.cdf(np.array(m), rate))

    parts = [
        quad(lambda t: derivative(t) * (1 - below(mean + t * deviation)), low, high, limit=200)[0]
        - quad(lambda t: derivative(-t) * below(mean - t * deviation), low, high, limit=200)[0]
        for low, high in pairwise(_ENDS)
    ]
    return math.fsum(parts)


@lru_cache(maxsize=256)
def _kurtosis(law: Continuous, rate: float) -> float:
    return _expected(law, rate, lambda t: 4 * t**3)


@lru_cache(maxsize=256)
def _agree(law: Continuous, rate: float) -> None:
    """Compare mean and variance with those of the cdf, by numerical integration."""
    mean, variance = (
        number(f"{name} of {law.name} at rate {rate:g}", value)
        for name, value in (("mean", law.mean(rate)), ("variance", law.variance(rate)))
    )
    place = f"variance of {law.name} at rate {rate:g}"
    require(0 < variance < math.inf, place, variance, "above 0")
    deviation = math.sqrt(variance)
    _rises(law, rate, mean, deviation)

    shift = _expected(law, rate, lambda _: 1.0)
    square = _expected(law, rate, lambda t: 2 * t)
    if abs(shift) > _AGREES or abs(square - 1) > 10 * _AGREES:
        raise UsageError(
            f"the parts of the law {law.name} disagree at rate {rate:g}: mean {mean:.6g} and "
            f"variance {deviation**2:.6g} are declared, but the cdf has mean "
            f"{mean + shift * deviation:.6g} and variance {(square - shift**2) * deviation**2:.6g}"
        )
