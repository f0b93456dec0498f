"""Smooth f, any number of inputs: the Fourier series of the kernel |z - s| (gap.md, section 5).

With F the transform of f'', and k odd,

    gap = - (2 L / pi^2) sum over k of Re[e^(i t mean) (phi(t) - 1) F(t)] / k^2,   t = k pi / L,

exactly as long as no |z - s| is beyond L. F falls off exponentially, so that some tens of
frequencies do, and nothing is asked of the characteristic function phi.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from dropout_stats.gap.frequency import Excess, Weighted, excess
from dropout_stats.gap.kernels import Kernel
from dropout_stats.gap.rounding import FUNCTION, SLACK, UNIT, Floats, Interval
from dropout_stats.gap.tails import log_moment
from dropout_stats.gap.unit import Unit

_MOST = 1 << 16  # frequencies


class Series(NamedTuple):
    """The frequencies of one kernel: what depends on f and on the length alone."""

    length: float
    frequencies: Floats
    weights: Floats
    weight_errors: Floats
    cut: float


def step_for(length: float) -> float:
    """The largest double pi / L with five bits and L >= length: its multiples are exact."""
    fraction, exponent = math.frexp(math.pi / (length * SLACK))
    return math.ldexp(math.floor(fraction * 32), exponent - 5)


@lru_cache(maxsize=64)
def series(kernel: Kernel, step: float, cut: float) -> Series:
    """Frequencies until what is left out is below `cut`, or as many as are allowed."""
    return terms(kernel, step, _needed(kernel, step, cut))


def terms(kernel: Kernel, step: float, number: int) -> Series:
    """The first so many frequencies."""
    k = 2.0 * np.arange(number) + 1
    t = k * step
    transform = kernel.transform(t)
    weights = 2 / (math.pi * step) * transform / k**2
    errors = np.abs(weights) * UNIT * (48 + 4 * t * t)
    return Series(math.pi / step, t, weights, errors, _left_out(kernel, step, number))


def _needed(kernel: Kernel, step: float, cut: float) -> int:
    high = 1
    while _left_out(kernel, step, high) > cut and high < _MOST:
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        if _left_out(kernel, step, middle) > cut:
            low = middle
        else:
            high = middle
    return high


def _left_out(kernel: Kernel, step: float, number: int) -> float:
    """Bound of the terms from the one of this number on: |phi - 1| <= 2, geometric (lemma 5.2)."""
    k = 2 * number + 1
    t = k * step
    first = 4 / (math.pi * step) * float(np.abs(kernel.transform(np.array([t])))[0]) / k**2
    ratio = math.exp(-kernel.decay(t) * 2 * step)
    return first / (1 - ratio) * SLACK * (1 + UNIT * 4 * t * t) if ratio < 1 else math.inf


@lru_cache(maxsize=1024)
def depth_for(kernel: Kernel, allowed: float) -> float:
    """A depth beyond which f'' is small enough."""
    d = 1.0
    while kernel.tail(d) > allowed and d < 2.0**10:
        d *= 1.1
    return d


def weighted(unit: Unit) -> Weighted:
    """The unit, with its one chance for every step."""
    return Weighted(unit.steps, np.full(len(unit.steps), unit.chance), unit.counts)


def smooth_gap(unit: Unit, kernel: Kernel, tolerance: float) -> Interval:
    """The gap of a unit whose f'' has this kernel (theorem 5)."""
    part = 2.0 ** math.floor(math.log2(max(tolerance, 1e-30) / 8))
    chosen = series(kernel, step_for(length_for(unit, kernel, part)), part)
    found = excess(weighted(unit), chosen.frequencies)
    value, rounding = _total(unit.mean, kernel, chosen, found)
    return Interval(value, (part + chosen.cut + rounding) * SLACK)


def length_for(unit: Unit, kernel: Kernel, allowed: float) -> float:
    """A length for which the aliases are at most `allowed`, the least of some (lemma 5.4)."""
    rates, aliases = _aliases(kernel)
    lengths = (log_moment(unit, rates) + (aliases - math.log(allowed))) / rates
    return max((abs(unit.mean) + float(lengths.min())) * SLACK, 1.0)


@lru_cache(maxsize=16)
def _aliases(kernel: Kernel) -> tuple[Floats, Floats]:
    """Rates, and the logarithms of 2 integral |f''(s)| e^(rate s) ds / (e rate)."""
    rates = kernel.steepest * 0.98 * 0.85 ** np.arange(128)
    return rates, np.log(2 * kernel.moment(rates) / (math.e * rates)) + 1e-9


def _total(mean: float, kernel: Kernel, chosen: Series, found: Excess) -> tuple[float, float]:
    """Minus the sum of weight * Re[e^(i t mean) excess F / |F|], and the bound of its rounding."""
    phase = chosen.frequencies * mean
    cosine, sine = np.cos(phase), np.sin(phase)
    real, imag, error = found
    terms = cosine * imag + sine * real if kernel.odd else sine * imag - cosine * real
    size = np.abs(real) + np.abs(imag)
    error = error + size * UNIT * (np.abs(phase) + 2 * FUNCTION + 3)
    value = math.fsum((chosen.weights * terms).tolist())
    rounding = np.abs(chosen.weights) @ error + chosen.weight_errors @ size
    return value, float(rounding) + UNIT * abs(value)
