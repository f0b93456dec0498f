"""Laws that a user declares from their parts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from scipy.special import ndtri

from dropout_stats.errors import UsageError
from dropout_stats.laws.continuous import Multiplicative, Numbers
from dropout_stats.laws.law import AnyLaw, TwoValued
from dropout_stats.laws.sharing import Unit

OfRate: TypeAlias = Callable[[float], float]
Sampler: TypeAlias = Callable[[np.random.Generator, tuple[int, ...], float], Numbers]
Cdf: TypeAlias = Callable[[Numbers, float], Numbers]
Atoms: TypeAlias = Callable[[float], Mapping[float, float]]

_AGREES = 1e-3  # in deviations: numerical integrals, against a mistake in a closed form
_FAR = 60.0  # deviations: beyond, tails that matter would be too heavy for a variance to mean much
_LEAST = 2.0**-53


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
    """Declare the law of a multiplier M, which has a density, or is 0 or one other value.

    It then has what the laws of this package have: every check, and a reference.

    Args:
        name: how reports call it.
        atoms: `atoms(rate)` -> {value: probability}: two values, one of which is 0, at rates below
            1; at rate 1 everything is dropped.
        sampler: `sampler(rng, shape, rate)` -> multipliers of that shape; with a cdf.
        cdf: `cdf(m, rate)` -> P(M <= m), elementwise and continuous in m.
        mean: `mean(rate)`, E[M]; with a cdf, which it is compared with.
        variance: `variance(rate)`, Var[M]; with a cdf, which it is compared with.
        unit: the elements that share one draw, as for `Inverted`.
        evaluation_factor: `evaluation_factor(rate)`; by default 1.

    Raises:
        UsageError: there are neither atoms nor all parts of a law with a density, or both.

    """
    parts = {"sampler": sampler, "cdf": cdf, "mean": mean, "variance": variance}
    missing = [part for part, given in parts.items() if given is None]
    factor = evaluation_factor or _one
    if atoms is not None and len(missing) == len(parts):
        return Discrete(unit=unit, label=name, atoms=atoms, evaluation=factor)
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
        + (f"; {', '.join(missing)} is missing" if atoms is None else ", not both")
    )


def _one(rate: float) -> float:  # noqa: ARG001 - as it is called
    return 1.0


@dataclass(frozen=True, kw_only=True)
class Discrete(TwoValued):
    """M is 0 or one other value; `Law` says what the parts are."""

    label: str
    atoms: Atoms
    evaluation: OfRate

    def __str__(self) -> str:
        return self.label

    @property
    def name(self) -> str:  # type: ignore[override]  # elsewhere it is the same for a class
        """How reports call it."""
        return self.label

    def _kept(self, rate: float) -> tuple[float, float]:
        """The value that is not 0, and its probability."""
        chances = {float(value): float(chance) for value, chance in self.atoms(float(rate)).items()}
        total = sum(chances.values())
        kept = [value for value in chances if value != 0]
        if min(chances.values(), default=-1.0) < 0 or abs(total - 1) > 1e-9 or len(kept) != 1:
            raise UsageError(
                f"the atoms of {self.name} at rate {rate:g} must be 0 and one other value, with "
                f"probabilities that add up to 1, got {chances}"
            )
        return kept[0], chances[kept[0]]

    def keep_probs(self, rate: float) -> tuple[float, ...]:
        """The probability of the value that is not 0; at rate 1 it is never taken."""
        return (0.0,) if rate == 1 else (self._kept(rate)[1],)

    def kept_factor(self, rate: float) -> float:
        """That value."""
        return self._kept(rate)[0]

    def evaluation_factor(self, rate: float) -> float:
        """As declared."""
        return self.evaluation(rate)


@dataclass(frozen=True, kw_only=True)
class Continuous(Multiplicative):
    """M has a density; `Law` says what the parts are."""

    label: str
    sampler: Sampler
    distribution: Cdf
    first: OfRate
    second: OfRate
    evaluation: OfRate

    def __str__(self) -> str:
        return self.label

    @property
    def name(self) -> str:  # type: ignore[override]  # elsewhere it is the same for a class
        """How reports call it."""
        return self.label

    def evaluation_factor(self, rate: float) -> float:
        """As declared."""
        return self.evaluation(rate)

    def mean(self, rate: float) -> float:
        """As declared."""
        return self.first(rate)

    def variance(self, rate: float) -> float:
        """As declared."""
        return self.second(rate)

    def cdf(self, multiplier: Numbers, rate: float) -> Numbers:
        """As declared."""
        return np.asarray(self.distribution(np.asarray(multiplier), rate), np.float64)

    def score(self, multiplier: Numbers, rate: float, rounding: float = 0.0) -> Numbers:
        """The normal quantile of the probability; NaN where that is 0 or 1 but for rounding."""
        values = np.asarray(multiplier, np.float64)
        slack = rounding * np.abs(values)
        possible = (self.cdf(values + slack, rate) > 0) & (self.cdf(values - slack, rate) < 1)
        place = np.clip(self.cdf(values, rate), _LEAST, 1 - _LEAST)
        return np.asarray(np.where(possible, ndtri(place), np.nan), np.asarray(multiplier).dtype)

    def median(self, rate: float) -> float:
        """Where the cdf is 1/2."""
        return _median(self, rate)

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


@lru_cache(maxsize=256)
def _median(law: Continuous, rate: float) -> float:
    from scipy.optimize import brentq

    deviation = math.sqrt(law.variance(rate))
    low, high = law.mean(rate) - deviation, law.mean(rate) + deviation  # it is never outside
    return float(brentq(lambda m: float(law.cdf(np.array(m), rate)) - 0.5, low, high))


@lru_cache(maxsize=256)
def _agree(law: Continuous, rate: float) -> None:
    """Compare mean and variance with those of the cdf, by numerical integration."""
    from scipy.integrate import quad

    mean, deviation = law.mean(rate), math.sqrt(law.variance(rate))

    def below(m: float) -> float:
        return float(law.cdf(np.array(m), rate))

    def integral(weight: Callable[[float], float]) -> float:
        """The mean of a function of M - mean that is 0 at 0, by its derivative."""
        upper = quad(lambda t: weight(t) * (1 - below(mean + t * deviation)), 0, _FAR, limit=400)
        lower = quad(lambda t: weight(-t) * below(mean - t * deviation), 0, _FAR, limit=400)
        return float(upper[0] - lower[0])

    shift, square = integral(lambda _: 1.0), integral(lambda t: 2 * t)
    if abs(shift) > _AGREES or abs(square - 1) > 10 * _AGREES:
        raise UsageError(
            f"the parts of the law {law.name} disagree at rate {rate:g}: mean {mean:.6g} and "
            f"variance {deviation**2:.6g} are declared, but the cdf has mean "
            f"{mean + shift * deviation:.6g} and variance {(square - shift**2) * deviation**2:.6g}"
        )
