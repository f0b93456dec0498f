"""Which outputs a law can produce, unit by unit, for any input: zeros and non-finite ones too.

Nothing is recovered here. Where the input is 0 or not finite, a mask cannot be read back; whether
the output is possible can still be said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dropout_stats import dtypes
from dropout_stats.conventions import DroppedNonfinite
from dropout_stats.laws import AnyLaw, is_two_valued, values_of
from dropout_stats.laws.reading import Array, kept_tolerance

_Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Possible:
    """What may become of a unit.

    Args:
        factor: output/input of a kept unit.
        dtype: type of the output.
        tolerance: relative tolerance of a kept value.
        keeps: whether a unit may be kept.
        drops: whether it may be dropped.
        nonfinite: what is declared of a dropped NaN or infinity.

    """

    factor: float
    dtype: str
    tolerance: float
    keeps: bool = True
    drops: bool = True
    nonfinite: DroppedNonfinite = "unspecified"

    def wrong(self, x: Array, y: Array) -> _Mask:
        """Where the output is neither the kept value nor what a dropped unit becomes."""
        given, got = x.astype(np.float64), y.astype(np.float64)
        with np.errstate(all="ignore"):
            exact = given * self.factor
            right = self._flushed(x, exact, got)
            if self.keeps:
                right |= self._kept(given, exact, got)
            if self.drops:
                right |= self._dropped(exact, got)
        return np.asarray(~right)

    def is_kept_elsewhere(self, x: Array, got: float) -> bool:
        """Whether a wrong output is what another unit of the call would have become."""
        exact = x.astype(np.float64) * self.factor
        near = np.abs(exact - got) <= self.tolerance * np.abs(exact)
        return bool(got != 0 and (near & np.isfinite(exact)).any())

    def expected(self, given: float) -> str:
        """Say what the output should be for this input."""
        kept = given * self.factor if self.keeps else 0.0
        if not self.drops:
            return f"{kept:.9g}"
        dropped = "0" if np.isfinite(given) else self._word_of_dropped()
        return f"{dropped} (dropped) or {kept:.9g} (kept)" if self.keeps else f"{dropped} (dropped)"

    def _word_of_dropped(self) -> str:
        return {"zero": "0", "propagate": "NaN", "unspecified": "0 or NaN"}[self.nonfinite]

    def _kept(self, given: NDArray[Any], exact: NDArray[Any], got: NDArray[Any]) -> _Mask:
        held = dtypes.precision(self.dtype)
        near = np.abs(got - exact) <= self.tolerance * np.abs(exact) + held.tiny
        near &= np.isfinite(exact) & ((got == 0) | (given != 0))
        return np.asarray(near | (np.isnan(given) & np.isnan(got)) | self._over(exact, got))

    def _over(self, exact: NDArray[Any], got: NDArray[Any]) -> _Mask:
        """Too large for the type: infinite, or the largest number where arithmetic saturates."""
        top = dtypes.precision(self.dtype).largest * (1 - self.tolerance)
        return np.asarray(
            (np.abs(exact) >= top) & (np.abs(got) >= top) & (np.sign(got) == np.sign(exact))
        )

    def _dropped(self, exact: NDArray[Any], got: NDArray[Any]) -> _Mask:
        # A finite input whose kept value overflows is as good as infinite to whoever scales first.
        finite = np.abs(exact) < dtypes.precision(self.dtype).largest * (1 - self.tolerance)
        zero, nan = got == 0, np.isnan(got) & ~finite
        if self.nonfinite == "zero":
            return np.asarray(zero)
        if self.nonfinite == "propagate":
            return np.asarray((zero & np.isfinite(exact)) | nan)
        return np.asarray(zero | nan)

    def _flushed(self, x: Array, exact: NDArray[Any], got: NDArray[Any]) -> _Mask:
        """Zero in place of a subnormal number: hardware may do that, and nobody is accused."""
        normal = max(dtypes.precision(name).normal for name in (x.dtype.name, self.dtype))
        smaller = np.minimum(np.abs(x.astype(np.float64)), np.abs(exact))
        return np.asarray((got == 0) & (smaller < normal))


@dataclass(frozen=True)
class Multiplied:
    """What may become of a unit that is multiplied by noise with a density.

    Args:
        dtype: type of the output.

    """

    dtype: str
    drops: bool = False

    def wrong(self, x: Array, y: Array) -> _Mask:
        """Where 0 did not stay 0, NaN did not stay NaN, or a number became NaN."""
        given, got = x.astype(np.float64), y.astype(np.float64)
        kept = np.where(np.isfinite(given), ~np.isnan(got), ~np.isfinite(got))
        return np.asarray(np.where(given == 0, got != 0, ~kept))

    def is_kept_elsewhere(self, x: Array, got: float) -> bool:  # noqa: ARG002 - as for `Possible`
        """Never known."""
        return False

    def expected(self, given: float) -> str:
        """Say what the output should be for this input."""
        return "0" if given == 0 else f"{given:.9g} times a multiplier"


@dataclass(frozen=True)
class OneOf:
    """What may become of a unit that is multiplied by one of several values.

    Args:
        dtype: type of the output.
        drops: whether one of them is 0.
        ways: the others, each as if it were a kept factor.

    """

    dtype: str
    drops: bool
    ways: tuple[Possible, ...]

    def wrong(self, x: Array, y: Array) -> _Mask:
        """Where the output is none of these."""
        return np.asarray(np.logical_and.reduce([way.wrong(x, y) for way in self.ways]))

    def is_kept_elsewhere(self, x: Array, got: float) -> bool:
        """Whether a wrong output is what another unit of the call would have become."""
        return any(way.is_kept_elsewhere(x, got) for way in self.ways)

    def expected(self, given: float) -> str:
        """Say what the output should be for this input."""
        factors = [*([0.0] if self.drops else []), *(way.factor for way in self.ways)]
        return f"{given:.9g} times " + " or ".join(f"{factor:.9g}" for factor in sorted(factors))


Outputs: TypeAlias = Possible | OneOf | Multiplied


def training(law: AnyLaw, rate: float, dtype: str, nonfinite: DroppedNonfinite) -> Outputs:
    """What a training pass may give; `dtype` is that of its output."""
    values = [value for value, _ in values_of(law, rate)] if rate else []
    if values:
        drops, near = 0 in values, kept_tolerance(dtype, rate)
        ways = [Possible(v, dtype, near, drops=drops, nonfinite=nonfinite) for v in values if v]
        return OneOf(dtype, drops, tuple(ways))
    if not is_two_valued(law):
        if rate:
            return Multiplied(dtype)
        return Possible(1.0, dtype, kept_tolerance(dtype, 0.0), drops=False)
    return Possible(
        factor=law.kept_factor(rate) if rate < 1 else 0.0,
        dtype=dtype,
        tolerance=kept_tolerance(dtype, rate),
        keeps=rate < 1,
        drops=rate > 0,
        nonfinite=nonfinite,
    )


def evaluation(law: AnyLaw, rate: float, x_dtype: str, dtype: str) -> Possible:
    """What an evaluation pass may give; the identity is exact, a factor may be rounded."""
    factor = law.evaluation_factor(rate)
    untouched = factor == 1 and x_dtype == dtype
    # At rate 1 the factor may be 0, and 0 times infinity is NaN.
    return Possible(
        factor, dtype, 0.0 if untouched else kept_tolerance(dtype, rate), drops=factor == 0
    )
