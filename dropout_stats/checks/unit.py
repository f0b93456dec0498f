"""A unit of the next layer, whose inputs are the draws of a call: what f makes of their sums.

Its weights are whole numbers times a power of 2, so that its pre-activation z has few values and
E f(z) is known with a proved error (`dropout_stats.gap`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from dropout_stats.checks.stream import FLOAT32_BAND
from dropout_stats.evidence.means import MeanTest, resolvable_shift
from dropout_stats.gap.activations import activation_of
from dropout_stats.gap.neuron import expectation

FUNCTIONS = ("relu", "gelu", "tanh")
_INPUTS = 64  # of the unit: a word of the packed masks
_BYTE = np.arange(1, 9)  # weights of the inputs in a byte, before they are scaled
# What the inputs in a byte of the packed masks add up to.
SUMS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little").dot(
    _BYTE.astype(np.uint8)
)
_MEAN = 0.5  # of z: none of the functions is odd about it
_STEEPEST = 1.2  # at least the slope of each of the functions; gelu's is at most 1.13


@dataclass(frozen=True, eq=False)
class Unit:
    """The unit.

    Args:
        inputs: how many there are.
        keep_prob: the law's keep probability.

    """

    inputs: int
    keep_prob: float

    @cached_property
    def weights(self) -> NDArray[np.int64]:
        """The weights before they are scaled."""
        return np.resize(_BYTE, self.inputs)

    @cached_property
    def total(self) -> int:
        """Their sum."""
        return int(self.weights.sum())

    @cached_property
    def scale(self) -> float:
        """A power of 2, which makes z vary by about 1."""
        variance = self.keep_prob * (1 - self.keep_prob) * float((self.weights**2).sum())
        return 2.0 ** round(-math.log2(variance) / 2)

    @property
    def bias(self) -> float:
        """What makes the law's mean of z `_MEAN`."""
        return _MEAN - self.keep_prob * self.scale * self.total

    def z(self, sums: NDArray[np.int64], kept: float) -> NDArray[np.float64]:
        """Pre-activations where kept inputs are `kept` times what the law makes of them."""
        return np.asarray(self.bias + self.scale * kept * sums, np.float64)

    @cached_property
    def chances(self) -> NDArray[np.float64]:
        """Probabilities of the sums 0, 1, ..., total under the law."""
        law = np.ones(1)
        for weight in self.weights.tolist():
            step = np.zeros(weight + 1)
            step[0], step[-1] = 1 - self.keep_prob, self.keep_prob
            law = np.convolve(law, step)
        return law

    def expected(self, f: str) -> tuple[float, float]:
        """Bounds of E f(z) under the law, float32's rounding of the keep probability included."""
        found = expectation(
            f,
            self.scale * self.weights,
            np.ones(self.inputs),
            bias=self.bias,
            rate=1 - self.keep_prob,
            strategy="test-scaled",
        )
        # A keep probability moves E f(z) by at most slope * sum |weights| times as much.
        width = found.halfwidth + _STEEPEST * self.scale * self.total * FLOAT32_BAND
        return found.value - width, found.value + width


@lru_cache(maxsize=64)
def unit_of(inputs: int, keep_prob: float) -> Unit:
    """The unit; what is costly of it is found once."""
    return Unit(inputs, keep_prob)


@lru_cache(maxsize=256)
def mean_test(unit: Unit, f: str, kept: float, size: float, power: float) -> MeanTest:
    """The test of the mean of f(z), where kept inputs are `kept` times what the law makes them."""
    activation = activation_of(f)
    lawful = activation.values(unit.z(np.arange(unit.total + 1), 1.0))
    mean = float(unit.chances @ lawful)
    deviation = math.sqrt(float(unit.chances @ (lawful - mean) ** 2))
    values = np.asarray(activation.values(unit.z(np.arange(unit.total + 1), kept)), np.float64)
    return MeanTest(values, *unit.expected(f), deviation, size, power)


def inputs_of(units: int) -> int:
    """Inputs of the unit, for calls of so many draws."""
    return min(_INPUTS, units)


def rows_of(units: int) -> int:
    """How many rows of inputs a call has; what is left over at its end is left out."""
    return max(1, units // _INPUTS)


@lru_cache(maxsize=256)
def smallest_shift(units: int, keep_prob: float, calls: int, power: float) -> float:
    """The shift of E f(z), in its standard deviations, that so many calls can exclude."""
    unit = unit_of(inputs_of(units), keep_prob)
    tests = [mean_test(unit, f, 1.0, 1.0, power) for f in FUNCTIONS]
    return max(resolvable_shift(test, unit.chances, calls * rows_of(units)) for test in tests)
