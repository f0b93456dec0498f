"""Does a dense layer keep the mean of its pre-activations: E[W A + b] = W a + b?

A is the dropped input a. Under inverted dropout E[A] = a, so that by linearity this holds whatever
W and b are (Ng's argument for scaling in training); a test-scaled layer has keep_prob W a + b in
both passes. `check_mean` asks it of a layer as it is, with weights that somebody chose; nothing but
what comes out is looked at.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from dropout_stats.errors import UsageError
from dropout_stats.evidence.means import MeanTest
from dropout_stats.evidence.numerics import log_sum_exp
from dropout_stats.laws import AnyLaw, Inverted, is_dependent, is_indirect, is_two_valued
from dropout_stats.laws.law import TwoValued
from dropout_stats.laws.reading import Array
from dropout_stats.results import Evidence, Finding, Verdict
from dropout_stats.values import number, require

_Floats = NDArray[np.float64]

Layer = Callable[..., Any]  # (inputs, weights, bias, rate)

_GRID = 513  # places between the smallest and the largest pre-activation
_RATE_BAND = 2.0**-22  # float32 rounds the keep probability by less
_BY_CHANCE = 4.0  # standard deviations by which chance may hold the evidence back


def check_mean(
    layer: Layer,
    evaluate: Layer,
    inputs: Array,
    weights: Array,
    bias: Array | None = None,
    *,
    rate: float,
    law: AnyLaw | None = None,
    false_alarm: float = 1e-6,
    power: float = 0.99,
    resolution: float = 0.02,
    rows: int = 1024,
) -> Finding:
    """Ask whether the mean of each pre-activation in training is that of the evaluation pass.

    The layer is called with copies of one input, in one batch: its masks are independent, so each
    row is one draw of Z. Z is bounded under the law, and a value beyond its bounds fails at once;
    for the mean nothing but these bounds is used (a test by betting, valid at every look). Looks
    are between calls. Evidence against the mean of each neuron is averaged over neurons.

    Args:
        layer: `layer(inputs, weights, bias, rate) -> Z`: a training pass up to the nonlinearity;
            inputs of shape (rows, features), Z of (rows, neurons), as for `readouts.dense`.
        evaluate: the same for the evaluation pass.
        inputs: one input a, of shape (features,), in the type of the layer.
        weights: W, of shape (features, neurons).
        bias: b, of shape (neurons,); None: zeros.
        rate: the drop rate, inside (0, 1).
        law: that of a single input: inverted dropout by default, or another one with two values.
        false_alarm: probability at most with which a layer that keeps its mean fails.
        power: probability at least with which a mean that is shifted as `resolution` says does not
            pass.
        resolution: the shift of the mean of one neuron, in standard deviations of its
            pre-activation, that a pass excludes.
        rows: copies of the input in a call.

    Returns:
        `fail` where a mean is another, or a value beyond the bounds; `pass` where none is shifted
        by `resolution`; `inconclusive` where so many rows, 81 / resolution^2 by default, do not
        tell. Its evidence is that of the neuron with the most against it.

    Raises:
        UsageError: an argument makes no sense, or the law has no bounds or shares its draws.

    """
    require(0 < number("rate", rate) < 1, "rate", rate, "inside (0, 1)")
    require(0 < number("resolution", resolution) < 1, "resolution", resolution, "inside (0, 1)")
    require(rows > 0, "rows", rows, "at least 1")
    lawful = Inverted() if law is None else law
    if not _is_bounded(lawful):
        raise UsageError(f"{lawful} is no law of two values for each input: Z has no bounds")
    evaluated, mean = lawful.evaluation_factor(rate), lawful.mean(rate)
    if not math.isclose(evaluated, mean):
        raise UsageError(
            f"under {lawful} the evaluation pass is {evaluated:.7g} times the input, and the mean "
            f"in training {mean:.7g} times: no layer keeps its mean"
        )
    given = _given(inputs, weights, bias)
    z = _Preactivation(*given, lawful, rate)
    if not z.varies.any():
        raise UsageError("no input reaches a neuron: each product of inputs and weights is 0")
    wrong = _wrong_evaluation(z, evaluate(given[0][None], *given[1:], rate))
    if wrong:
        return Finding("fail", wrong)
    tests = _Tests(z, resolution, power)
    batch = np.repeat(given[0][None], rows, axis=0)
    threshold, seen = -math.log(false_alarm), 0
    while seen < tests.most_rows:
        passed = _answer(layer(batch.copy(), *given[1:], rate), (rows, z.neurons), "layer")
        beyond = z.beyond(passed)
        if beyond:
            return Finding("fail", beyond)
        tests.add(passed)
        seen += rows
        if tests.log_e >= threshold:
            return tests.finding("fail", false_alarm)
        if tests.exclude_shifts:
            return tests.finding("pass", false_alarm)
    return tests.finding("inconclusive", false_alarm)


def _is_bounded(law: AnyLaw) -> TypeGuard[TwoValued]:
    if is_indirect(law) or is_dependent(law) or not law.sharing.is_trivial:
        return False
    return is_two_valued(law)


def _given(inputs: Array, weights: Array, bias: Array | None) -> tuple[Array, Array, Array]:
    a, w = np.asarray(inputs), np.asarray(weights)
    b = np.zeros(w.shape[-1:], w.dtype) if bias is None else np.asarray(bias)
    if a.ndim != 1 or w.ndim != 2 or w.shape[0] != len(a) or b.shape != w.shape[1:]:
        raise UsageError(
            "inputs must have the shape (features,), weights (features, neurons) and bias "
            f"(neurons,), got {a.shape}, {w.shape} and {b.shape}"
        )
    for name, values in (("inputs", a), ("weights", w), ("bias", b)):
        fine = np.issubdtype(values.dtype, np.floating) and bool(np.isfinite(values).all())
        require(fine, name, values, "finite floating-point numbers")
    return a, w, b


def _answer(answer: Any, shape: tuple[int, ...], what: str) -> _Floats:
    found = np.asarray(answer, np.float64)
    if found.shape != shape:
        raise UsageError(f"{what} returned the shape {found.shape}; expected {shape}")
    return found


@dataclass(frozen=True, eq=False)
class _Preactivation:
    """What the law says of Z, neuron by neuron."""

    inputs: Array
    weights: Array
    bias: Array
    law: TwoValued
    rate: float

    @property
    def neurons(self) -> int:
        return len(self.bias)

    @cached_property
    def _terms(self) -> _Floats:
        """What each input adds to each sum where nothing is dropped; shape (features, neurons)."""
        terms = self.inputs.astype(np.float64)[:, None] * self.weights.astype(np.float64)
        return np.asarray(terms)

    @cached_property
    def evaluated(self) -> _Floats:
        factor = self.law.evaluation_factor(self.rate)
        return np.asarray(factor * self._terms.sum(axis=0) + self.bias)

    @cached_property
    def deviation(self) -> _Floats:
        variance = self.law.variance(self.rate) * (self._terms**2).sum(axis=0)
        return np.asarray(np.sqrt(variance))

    @cached_property
    def varies(self) -> NDArray[np.bool_]:
        return self.deviation > 0

    @cached_property
    def rounding(self) -> _Floats:
        """By how much a computed sum may be off: a step for each term, the bias and the scale."""
        eps = max(float(np.finfo(one.dtype).eps) for one in (self.inputs, self.weights, self.bias))
        largest = self._kept * np.abs(self._terms).sum(axis=0) + np.abs(self.bias)
        travelled = np.finfo(np.float32).eps / (1 - self.rate)  # rates go through float32
        return np.asarray(((len(self.inputs) + 3) * eps + travelled) * largest)

    @cached_property
    def band(self) -> _Floats:
        """By how much the mean may be off: rounding, also that of the keep probability."""
        keep_prob = _RATE_BAND * self._kept * np.abs(self._terms.sum(axis=0))
        return np.asarray(self.rounding + keep_prob)

    @property
    def _kept(self) -> float:
        return abs(self.law.kept_factor(self.rate))

    @cached_property
    def low(self) -> _Floats:
        """The least that Z can be."""
        kept = self.law.kept_factor(self.rate) * self._terms
        return np.asarray(np.minimum(kept, 0).sum(axis=0) + self.bias - self.rounding)

    @cached_property
    def high(self) -> _Floats:
        """The most."""
        kept = self.law.kept_factor(self.rate) * self._terms
        return np.asarray(np.maximum(kept, 0).sum(axis=0) + self.bias + self.rounding)

    def beyond(self, z: _Floats) -> str:
        """What is said of the first value that cannot be; empty where there is none."""
        wrong = ~((z >= self.low) & (z <= self.high))
        if not wrong.any():
            return ""
        row, neuron = np.argwhere(wrong)[0]
        return (
            f"in training Z of neuron {neuron} was {z[row, neuron]:.7g}; under the law it lies in "
            f"[{self.low[neuron]:.7g}, {self.high[neuron]:.7g}]"
        )


def _wrong_evaluation(z: _Preactivation, answer: Any) -> str:
    found = _answer(answer, (1, z.neurons), "evaluate")[0]
    off = ~(np.abs(found - z.evaluated) <= z.rounding)
    if not off.any():
        return ""
    neuron = int(np.argmax(off))
    return (
        f"the evaluation pass gives {found[neuron]:.7g} for neuron {neuron}; expected "
        f"{z.evaluated[neuron]:.7g}, which is {_formula(z)}"
    )


def _formula(z: _Preactivation) -> str:
    factor = z.law.evaluation_factor(z.rate)
    return "W a + b" if factor == 1 else f"{factor:.7g} W a + b"


def _rows_to_pass(test: MeanTest) -> int:
    """How many rows exclude the shift, chance aside by so many standard deviations."""
    worst = float(np.abs(test.values - (test.low + test.high) / 2).max()) / test.deviation
    bet = min(test.size, 0.5 / worst)  # as MeanTest bounds it
    gain = bet * (test.size - bet / 2)
    enough = -math.log1p(-test.power)
    root = _BY_CHANCE * bet + math.sqrt((_BY_CHANCE * bet) ** 2 + 4 * gain * enough)
    return math.ceil((root / (2 * gain)) ** 2)


class _Tests:
    """A test of the mean for each neuron whose Z varies.

    A value is counted at the two places of a grid beside it, in shares that have its mean. The
    logarithm of a bet's factor is concave, so that the evidence is understated, never overstated.
    """

    def __init__(self, z: _Preactivation, resolution: float, power: float) -> None:
        self._z, self.rows = z, 0
        self._places = np.flatnonzero(z.varies)
        self._resolution = max(resolution, float(2 * (z.band / z.deviation)[self._places].max()))
        self._tests = [
            MeanTest(
                np.linspace(z.low[n], z.high[n], _GRID),
                z.evaluated[n] - z.band[n],
                z.evaluated[n] + z.band[n],
                float(z.deviation[n]),
                self._resolution,
                power,
            )
            for n in self._places
        ]
        self._counts = np.zeros((len(self._places), _GRID))
        self.most_rows = max(_rows_to_pass(test) for test in self._tests)

    def add(self, z: _Floats) -> None:
        """Take a call."""
        self.rows += len(z)
        for place, neuron in enumerate(self._places):
            low, high = self._z.low[neuron], self._z.high[neuron]
            at = (z[:, neuron] - low) * ((_GRID - 1) / (high - low))
            left = np.clip(at.astype(np.int64), 0, _GRID - 2)
            share = np.clip(at - left, 0, 1)
            self._counts[place] += np.bincount(left, 1 - share, _GRID)
            self._counts[place] += np.bincount(left + 1, share, _GRID)

    @property
    def _each(self) -> _Floats:
        pairs = zip(self._tests, self._counts, strict=True)
        return np.array([test.log_e(counts) for test, counts in pairs])

    @property
    def log_e(self) -> float:
        """Of the mean of the e-values of the neurons, which share their masks."""
        return log_sum_exp(self._each) - math.log(len(self._tests))

    @property
    def exclude_shifts(self) -> bool:
        pairs = zip(self._tests, self._counts, strict=True)
        return all(test.excludes_shift(counts) for test, counts in pairs)

    def finding(self, verdict: Verdict, false_alarm: float) -> Finding:
        """The verdict, with the neuron that has the most against it."""
        worst = int(np.argmax(self._each))
        neuron, test, counts = self._places[worst], self._tests[worst], self._counts[worst]
        low, high = test.interval(counts, false_alarm / len(self._tests))
        mean = float(counts @ test.values) / self.rows
        evidence = Evidence(self.rows, mean, low, high, self.log_e / math.log(10), self._resolution)
        said = (
            f"over {self.rows} rows the mean of Z of neuron {neuron} in training is {mean:.6g} "
            f"[{low:.6g}, {high:.6g}], and {self._z.evaluated[neuron]:.6g} in evaluation, "
            f"{_formula(self._z)}"
        )
        shift = f"a shift of one of {len(self._tests)} means by {self._resolution:.2g} deviations"
        more = {
            "fail": f" (e-value 10^{evidence.log10_e:.1f}); no other neuron has more against it",
            "pass": f"; {shift} of Z would have been caught",
            "inconclusive": f"; too few rows to exclude {shift} of Z",
        }
        return Finding(verdict, said + more[verdict], evidence)
