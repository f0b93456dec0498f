"""One unit of a layer with dropout, as the methods see it (docs/explanation/gap.md, section 3).

What is given are doubles; the coefficients of the pre-activation are products and quotients of
them, which no double holds. E z is computed twice as precisely; what rounding the coefficients does
to the rest is bounded once, here. After that everything is exact: the methods work on

    z = mean + sum_i steps_i (x_i - chance),    x_i independent, 1 with probability `chance`,

where `chance` is the smaller of rate and keep_prob, itself a double, and x_i says that input i was
dropped or kept, whichever is rarer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dropout_stats.errors import UsageError
from dropout_stats.gap.activations import Activation
from dropout_stats.gap.rounding import (
    LARGEST,
    SLACK,
    SMALLEST,
    UNIT,
    Floats,
    Interval,
    two_product,
    two_sum,
)
from dropout_stats.values import number, require, wrong

STRATEGIES = ("inverted", "test-scaled")


@dataclass(frozen=True, eq=False)
class Unit:
    """z = mean + sum of counts_i copies of steps_i (x - chance), near the unit that was given.

    Args:
        chance: P(x = 1), in [0, 1/2]; a double, exactly.
        steps: what each x adds; distinct and not zero, each off by at most 4 UNIT of it.
        counts: how many x there are of each step.
        mean: E z, rounded.
        mean_rest: E z - mean, up to some 2^-100 of the terms.
        rest: standard deviation of what the steps leave out of the coefficients.
        spread: the sum of |coefficients| and |bias|, to scale what is below every rounding.

    """

    chance: float
    steps: Floats
    counts: Floats
    mean: float
    mean_rest: float
    rest: float
    spread: float

    @cached_property
    def total(self) -> float:
        """Sum of |steps|."""
        return float(self.counts @ np.abs(self.steps)) * SLACK

    @cached_property
    def deviation(self) -> float:
        """At least the standard deviation of z, and at most 1.001 times that."""
        scaled = self.steps / self.largest
        squares = float(self.counts @ scaled**2) * (1 - self.chance)
        return max(math.sqrt(self.chance) * math.sqrt(squares) * self.largest * SLACK, SMALLEST)

    @cached_property
    def largest(self) -> float:
        """The largest |step|."""
        return float(np.abs(self.steps).max()) if len(self.steps) else 0.0

    @cached_property
    def reach(self) -> float:
        """At least max |z - mean|."""
        both = abs(float(self.counts @ self.steps))
        return (self.total + (1 - 2 * self.chance) * both) / 2 * SLACK

    @cached_property
    def mean_error(self) -> float:
        """At least |E z - mean| for the E z of the unit that was given."""
        return abs(self.mean_rest) * SLACK + 2.0**-98 * self.spread + SMALLEST

    @property
    def number(self) -> int:
        """How many x there are."""
        return int(self.counts.sum())

    @cached_property
    def states(self) -> float:
        """How many sums there are, as products of the counts."""
        return float(np.exp2(min(np.log2(self.counts + 1.0).sum(), 1000.0)))

    def input_error(self, f: Activation, *, subtract: bool) -> float:
        """What working on this unit may change E f(z), or the gap where `subtract` (theorem 1)."""
        moved = math.hypot(self.mean_error, self.rest)
        if not moved:
            return 0.0
        by_slope = f.lipschitz * (moved + self.mean_error * subtract)
        if not subtract or not math.isfinite(f.curvature):
            return by_slope * SLACK
        by_curvature = f.curvature * (self.deviation + self.rest) * moved
        return min(by_slope, by_curvature) * SLACK

    def at_mean(self, f: Activation) -> Interval:
        """f(E z) of the unit that was given."""
        return f.at(self.mean, self.mean_error)


@dataclass(frozen=True, eq=False)
class Layer:
    """What was asked, valid: doubles, a rate strictly inside (0, 1)."""

    weights: Floats
    inputs: Floats
    bias: float
    rate: float
    strategy: str

    @cached_property
    def keep_prob(self) -> tuple[float, float]:
        """1 - rate exactly, as the sum of two doubles."""
        high, low = two_sum(np.float64(1.0), np.float64(-self.rate))  # type: ignore[arg-type]
        return float(high), float(low)

    @cached_property
    def products(self) -> tuple[Floats, Floats]:
        """Weights * inputs without zeros, each as the sum of two doubles."""
        high, low = two_product(self.weights, self.inputs)
        kept = high != 0
        return high[kept], low[kept]

    def coefficients(self) -> tuple[Floats, float]:
        """What each kept input adds to the pre-activation in training, and how they are off.

        The second is at least the root of the sum of the squares of their errors: of the product,
        of keep_prob and of the quotient where there is one.
        """
        high, low = self.products
        if self.strategy == "test-scaled":
            return high, norm(low)
        quotient = high / self.keep_prob[0]
        return quotient, 3.01 * UNIT * norm(quotient)

    def exact_mean(self) -> tuple[float, float]:
        """E z in training, the pre-activation of evaluation, rounded, and the rest."""
        high, low = self.products
        terms = [*high.tolist(), *low.tolist()]
        if self.strategy == "test-scaled":
            total = math.fsum(terms)
            rest = math.fsum([*terms, -total])
            keep, keep_low = self.keep_prob
            main, main_low = two_product(np.float64(keep), np.float64(total))  # type: ignore[arg-type]
            terms = [float(main), float(main_low), keep_low * total, keep * rest]
        mean = math.fsum([self.bias, *terms])
        return mean, math.fsum([self.bias, *terms, -mean])

    @property
    def underflows(self) -> bool:
        """Whether a product may have lost digits, or all of them, to underflow."""
        both = (self.weights != 0) & (self.inputs != 0)
        return bool((np.abs(self.weights * self.inputs)[both] < 2.0**-900).any())

    def unit(self) -> Unit:
        """The unit in the form that the methods work on."""
        coefficients, off = self.coefficients()
        mean, mean_rest = self.exact_mean()
        chance = min(self.rate, self.keep_prob[0])
        steps, counts = _distinct(-coefficients if self.rate < 0.5 else coefficients)
        rest = math.sqrt(chance) * off * SLACK
        if off or self.underflows:
            rest += SMALLEST * (1 + len(coefficients))
        spread = abs(self.bias) + float(np.abs(coefficients).sum())
        return Unit(chance, steps, counts, mean, mean_rest, rest, spread)


def _distinct(steps: Floats) -> tuple[Floats, Floats]:
    """The steps in order, and how often each occurs."""
    ordered = np.sort(steps)
    if (ordered[1:] != ordered[:-1]).all():
        return ordered, np.ones(len(ordered))
    different, counts = np.unique(ordered, return_counts=True)
    return different, counts.astype(np.float64)


def layer_of(
    weights: object, inputs: object, bias: object, rate: object, strategy: object
) -> Layer:
    """What was asked, or a UsageError that says which argument makes no sense."""
    drop = rate_of(rate, strategy)
    shift = number("bias", bias)
    require(math.isfinite(shift), "bias", bias, "finite")
    w = doubles("weights", weights, "of one unit, of shape (inputs,)", 1)
    a = doubles("inputs", inputs, "of one unit, of shape (inputs,)", 1)
    if w.shape != a.shape:
        raise UsageError(
            f"weights and inputs must have one shape, got {w.shape} and {a.shape}: one weight for "
            f"each input of the unit"
        )
    layer = Layer(w, a, shift, drop, str(strategy))
    require_room(norm(w), norm(a), abs(shift), layer.keep_prob[0])
    return layer


def rate_of(rate: object, strategy: object) -> float:
    """The rate of a strategy that exists."""
    strategy_of(strategy)
    drop = number("rate", rate)
    require(0 <= drop <= 1, "rate", rate, "in [0, 1]")
    return drop


def strategy_of(value: object) -> str:
    """A strategy that exists."""
    known = isinstance(value, str) and value in STRATEGIES
    require(known, "strategy", value, "'inverted' or 'test-scaled'")
    return str(value)


def finite(name: str, values: object) -> Floats:
    """Finite doubles of any shape, or a UsageError that says where they are not."""
    try:
        array = np.asarray(values)
    except (TypeError, ValueError):  # lists of different lengths
        raise wrong(name, values, "real numbers") from None
    real = array.dtype.kind in "biuf" or array.dtype.name == "bfloat16"
    require(real, name, values, "real numbers")
    numbers = array.astype(np.float64)
    if not np.isfinite(numbers).all():
        place = tuple(np.argwhere(~np.isfinite(numbers))[0].tolist())
        where = f"{name}[{', '.join(map(str, place))}]" if place else name
        raise UsageError(f"{name} must be finite, but {where} is {float(numbers[place])!r}")
    return numbers


def doubles(name: str, values: object, whose: str, dimensions: int) -> Floats:
    """Finite real numbers of so many dimensions, as doubles; `whose` words the shape."""
    numbers = finite(name, values)
    if numbers.ndim != dimensions:
        raise UsageError(f"{name} must be those {whose}, got shape {numbers.shape}")
    return numbers


def require_room(weights: float, inputs: float, bias: float, keep_prob: float) -> None:
    """Raise UsageError where squares of sums could overflow, from norms and the largest |bias|."""
    total = weights * inputs / (keep_prob or 1.0) + bias
    if not max(weights, inputs, total) < LARGEST:
        raise UsageError(
            f"weights, inputs, bias and sums of weights * inputs / keep_prob must stay below "
            f"{LARGEST:.3g}, so that doubles hold their squares; they reach "
            f"{max(weights, inputs, total):.3g}"
        )


def norm(vector: Floats) -> float:
    """At least the Euclidean norm, also where its square under- or overflows."""
    with np.errstate(over="ignore"):
        square = float(vector @ vector)
    if 1e-200 < square < math.inf:
        return math.sqrt(square) * SLACK
    largest = float(np.abs(vector).max(initial=0.0))
    return largest * math.sqrt(len(vector)) * SLACK
