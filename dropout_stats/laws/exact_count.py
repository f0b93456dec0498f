"""Dropout that drops a fixed number of units in every call."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from dropout_stats.errors import UsageError
from dropout_stats.laws.dependent import DependentReader, Mask, Shown
from dropout_stats.laws.normalised import Normalisable
from dropout_stats.laws.reading import AnyReader, Array
from dropout_stats.laws.sharing import Sharing
from dropout_stats.values import wrong


class _OfSamples(Sharing):
    """Units of which each sample has several."""

    @property
    def least_ndim(self) -> int:
        """One axis more than that of the samples."""
        return max(2, super().least_ndim)


@dataclass(frozen=True)
class ExactCount(Normalisable):
    """Of n units n (1 - rate) are kept, rounded down or up; every choice of them is as likely.

    Kept units are divided by 1 - rate, and A = a in evaluation. E[A] = a where n (1 - rate) is a
    whole number; else it is off by less than a / n (1 - rate).

    Args:
        unit: the elements that share one draw, as for `Inverted`.
        within: where the number is fixed: in each `call`, or in each `sample` of it (axis 0).
        normalised: whether kept units are multiplied by n / k where k of the n units of a call were
            kept, which makes E[A] = a whatever n is.

    """

    name: ClassVar[str] = "exact-count"
    fixes_count: ClassVar[bool] = True

    within: Literal["call", "sample"] = field(default="call", kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.within not in ("call", "sample"):
            raise wrong("within", self.within, "'call' or 'sample'")
        if self.within == "sample" and self.unit == "sample":
            raise UsageError("each sample is one unit: within='sample' leaves nothing to choose")
        if self.rate_bits is not None:
            raise UsageError("rate_bits is for units that draw independently; a count has none")

    @property
    def sharing(self) -> Sharing:
        """Which elements share one draw."""
        return _OfSamples(self.unit) if self.within == "sample" else Sharing(self.unit)

    def counts(self, units: int, rate: float) -> tuple[int, int]:
        """How many of so many units may be kept: n (1 - rate), rounded down and up."""
        exact = units * (1 - rate)
        if abs(exact - round(exact)) <= 1e-9 * units:  # 0.3 is no binary fraction
            return round(exact), round(exact)
        return math.floor(exact), math.ceil(exact)

    def _groups(self, draws: tuple[int, ...]) -> tuple[int, int]:
        """How many groups of how many units have a fixed number each."""
        groups = draws[0] if self.within == "sample" and draws else 1
        return groups, math.prod(draws) // max(1, groups)

    def sample(
        self, rng: np.random.Generator, shape: tuple[int, ...], rate: float
    ) -> NDArray[np.bool_]:
        """Draw a keep mask, an entry a unit; the number is the nearest."""
        kept_dims = self.sharing.kept_dims(shape)
        groups, units = self._groups(self.sharing.draws(shape))
        count = min(self.counts(units, rate), key=lambda n: abs(n - units * (1 - rate)))
        mask = np.tile(np.arange(units) < count, (groups, 1))
        return np.asarray(rng.permuted(mask, axis=1).reshape(kept_dims))

    def reader(self, x: Array, rate: float, dtype: str, *, peers: bool = False) -> AnyReader:
        """Prepare the reading of outputs of type `dtype` for this input; rate below 1."""
        reader = super().reader(x, rate, dtype, peers=peers)
        return DependentReader(self, reader, x, rate, peers=peers)

    def independent(self, mask: Mask, rate: float, rng: np.random.Generator) -> Shown:
        """Keep or drop as many more units, at random, as it takes to a binomial count.

        A choice of K of n units with K binomial, every choice being as likely, is n independent
        draws. Where the count is not lawful, their probability is shifted by as much.
        """
        groups, units = self._groups(mask.shape)
        bits = mask.reshape(groups, units).copy()
        lawful = self.counts(units, rate)
        kept = bits.sum(axis=1)
        nearest = np.clip(kept, *lawful)
        chances = np.clip(1 - rate + (kept - nearest) / max(1, units), 0, 1)
        wanted = rng.binomial(units, chances)
        for row, surplus in zip(bits, kept - wanted, strict=True):
            _turn(row, int(surplus), rng)
        return Shown(
            bits.reshape(mask.shape),
            -float(_log_choices(units, kept).sum()),
            miscount=self._miscount(units, kept, rate) if (kept != nearest).any() else None,
        )

    def _miscount(self, units: int, kept: NDArray[Any], rate: float) -> str:
        low, high = self.counts(units, rate)
        number = next(int(k) for k in kept if not low <= k <= high)
        expected = f"{low}" if low == high else f"{low} or {high}"
        return f"{number} of {units} units were kept; expected {expected}"

    def keep_range(self, shape: tuple[int, ...], rate: float) -> tuple[float, float]:
        """The lawful counts, as shares; 1 - rate lies between them."""
        _, units = self._groups(self.sharing.draws(shape))
        low, high = self.counts(units, rate)
        return (low / units, high / units) if units else (1 - rate, 1 - rate)

    def agreement(self, shape: tuple[int, ...], rate: float) -> float:
        """One over the number of choices, for each group."""
        groups, units = self._groups(self.sharing.draws(shape))
        counts = np.array(self.counts(units, rate))
        return -groups * float(_log_choices(units, counts).min())

    def without_moments(self, shape: tuple[int, ...], rate: float) -> None:  # noqa: ARG002
        """They are: each unit is as likely to be kept."""
        return


def _turn(row: Mask, surplus: int, rng: np.random.Generator) -> None:
    """Drop so many of the kept units, or keep so many of the dropped ones where it is negative."""
    if surplus:
        places = np.flatnonzero(row if surplus > 0 else ~row)
        row[rng.choice(places, abs(surplus), replace=False, shuffle=False)] = surplus < 0


def _log_choices(units: int, kept: NDArray[Any]) -> NDArray[np.float64]:
    """The log of the number of ways to choose so many."""
    return np.asarray(gammaln(units + 1) - gammaln(kept + 1) - gammaln(units - kept + 1))
