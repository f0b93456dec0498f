"""From keep shares that were seen to the coarse threshold that makes them.

A threshold of few bits, or a rate that is rounded to half precision, gives each rate its own small
error. One rate proves nothing; that one grid explains the shares at all rates does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dropout_stats.dtypes import as_dtype, available
from dropout_stats.laws import AnyLaw
from dropout_stats.results import Diagnosis, Result

_BITS = (4, 7, 8, 10, 11)
# Their uniforms in [0, 1) are multiples of 2 to the minus so many bits.
_HALVES = {name: bits for name, bits in (("bfloat16", 7), ("float16", 10)) if name in available()}


@dataclass(frozen=True)
class Grid:
    """One way of losing precision.

    Args:
        name: in a few words.
        keep: what becomes of the keep probability at a rate.
        bits: bits of the threshold; None where it is no threshold.

    """

    name: str
    keep: Callable[[float], float]
    bits: int | None = None


@dataclass(frozen=True)
class _Seen:
    """The keep share at one rate."""

    rate: float
    share: float
    low: float
    high: float
    failed: bool


def _on_grid(bits: int, whole: Callable[[float], int]) -> Callable[[float], float]:
    return lambda rate: whole((1 - rate) * 2**bits) / 2**bits


def _of_255(rate: float) -> float:
    return (int(255 * (1 - rate)) + 1) / 256


def _rate_in(dtype: str) -> Callable[[float], float]:
    return lambda rate: 1 - float(as_dtype(dtype).type(rate))


def _keep_prob_in(dtype: str) -> Callable[[float], float]:
    return lambda rate: float(as_dtype(dtype).type(1 - rate))


def _compared_in(dtype: str, bits: int) -> Callable[[float], float]:
    """The rate is rounded to the type of such uniforms, and a unit is kept at it or above."""
    return lambda rate: math.floor(_rate_in(dtype)(rate) * 2**bits) / 2**bits


def _rounded_to(dtype: str, bits: int) -> Callable[[float], float]:
    """Fine uniforms are rounded to the type, as the rate is: half a step below it they reach it."""

    def keep(rate: float) -> float:
        rounded = 1 - _rate_in(dtype)(rate)
        digits, exponent = math.frexp(rounded)
        step = math.ldexp(1.0, exponent - bits - 1 - (digits == 0.5))
        return 1 - rounded + step / 2

    return keep


def _article(bits: int) -> str:
    return "an" if bits in (8, 11) else "a"


GRIDS: tuple[Grid, ...] = (
    *(
        Grid(f"{_article(bits)} {bits}-bit threshold", _on_grid(bits, whole), bits)
        for bits in _BITS
        for whole in (round, math.floor, math.ceil)
    ),
    Grid("an 8-bit threshold", _of_255, 8),
    *(
        Grid(f"{_article(bits)} {bits}-bit threshold", _compared_in(dtype, bits), bits)
        for dtype, bits in _HALVES.items()
    ),
    *(
        Grid(f"the random numbers are rounded to {dtype}", _rounded_to(dtype, bits))
        for dtype, bits in _HALVES.items()
    ),
    *(Grid(f"the rate is rounded to {dtype}", _rate_in(dtype)) for dtype in _HALVES),
    *(
        Grid(f"the keep probability is rounded to {dtype}", _keep_prob_in(dtype))
        for dtype in _HALVES
    ),
)


def quantised(results: Sequence[Result], law: AnyLaw) -> tuple[Diagnosis, ...]:
    """Name the grids that explain failures of the keep probability, one a type at most."""
    named: dict[Grid, tuple[list[str], _Seen]] = {}
    for dtype in dict.fromkeys(result.case.dtype for result in results):
        seen = [one for one in map(_read, results) if one and one[0] == dtype]
        shares = [share for _, share in seen]
        grid = _best(shares)
        if grid:
            worst = max(shares, key=lambda s: abs(grid.keep(s.rate) - (1 - s.rate)))
            named.setdefault(grid, ([], worst))[0].append(dtype)
    return tuple(_diagnosis(grid, *found, law) for grid, found in named.items())


def _read(result: Result) -> tuple[str, _Seen] | None:
    evidence, rate = result.evidence, result.case.rate
    if result.check != "rate.marginal" or evidence is None or rate is None:
        return None
    if result.verdict not in ("pass", "fail") or evidence.estimate is None:
        return None
    low, high = evidence.low or 0.0, 1.0 if evidence.high is None else evidence.high
    return result.case.dtype, _Seen(rate, evidence.estimate, low, high, result.verdict == "fail")


def _best(seen: Sequence[_Seen]) -> Grid | None:
    """The grid near every share that is nearest to all; the coarser among equals."""
    if not any(one.failed for one in seen):
        return None
    fitting = [grid for grid in GRIDS if _explains(grid, seen)]
    return min(fitting, key=lambda grid: _distance(grid, seen), default=None)


def _explains(grid: Grid, seen: Sequence[_Seen]) -> bool:
    """Whether the grid lies in the middle of every interval.

    The ends hold at every look at once, and are some six deviations from the share; a grid near one
    of them is there by chance.
    """
    return all(
        one.low <= grid.keep(one.rate) <= one.high
        and abs(grid.keep(one.rate) - one.share) <= (one.high - one.low) / 3
        for one in seen
    )


def _distance(grid: Grid, seen: Sequence[_Seen]) -> float:
    return sum(((grid.keep(s.rate) - s.share) / (s.high - s.low)) ** 2 for s in seen)


def _diagnosis(grid: Grid, dtypes: list[str], worst: _Seen, law: AnyLaw) -> Diagnosis:
    keep = grid.keep(worst.rate)
    number = f"{keep * 2**grid.bits:.0f}/{2**grid.bits}" if grid.bits else f"{keep:.7g}"
    fix = "compare numbers of at least 24 random bits with a rate in float32 or wider"
    if grid.bits:
        fix += f"; if it is intended, declare laws.{type(law).__name__}(rate_bits={grid.bits})"
    return Diagnosis(
        grid.name,
        f"in {', '.join(dtypes)}, a unit is kept with probability {number} at rate {worst.rate:g}; "
        f"it should be {1 - worst.rate:.7g}. This grid gives the shares at all rates that were "
        "tried",
        fix,
    )
