"""All units of a layer over a batch: what was asked, valid (docs/explanation/gap.md, section 14).

Unit j of sample b has the steps reach_bi * shares_ij: the input's share of all its weights is kept
apart from its size, so that no power of either over- or underflows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dropout_stats.errors import UsageError
from dropout_stats.gap.rounding import SLACK, SMALLEST, UNIT, VANISHED, Floats
from dropout_stats.gap.unit import Layer, doubles, norm, rate_of, require_room


@dataclass(frozen=True, eq=False)
class Asked:
    """Weights (neurons, n), inputs (batch, n), bias (neurons,), a rate in [0, 1]."""

    weights: Floats
    inputs: Floats
    bias: Floats
    rate: float
    strategy: str

    @property
    def shape(self) -> tuple[int, int]:
        """(batch, neurons)."""
        return len(self.inputs), len(self.weights)

    @property
    def certain(self) -> bool:
        """Nothing is random and nothing differs: no input, or all kept, or dropped from both."""
        never = self.rate == 0 or (self.rate == 1 and self.strategy == "test-scaled")
        return never or not self.weights.shape[1]

    @cached_property
    def chance(self) -> float:
        """The smaller of rate and keep_prob, exactly."""
        return min(self.rate, 1 - self.rate)

    def unit(self, row: int, neuron: int) -> Layer:
        """One unit at one sample."""
        bias = float(self.bias[neuron])
        return Layer(self.weights[neuron], self.inputs[row], bias, self.rate, self.strategy)

    @cached_property
    def _largest(self) -> Floats:
        """The largest |weight| of each input; 1 where all are 0."""
        largest = np.abs(self.weights).max(axis=0, initial=0.0)
        return np.where(largest > 0, largest, 1.0)

    @cached_property
    def shares(self) -> Floats:
        """Weights over the largest of each input, in [-1, 1], shape (n, neurons)."""
        return np.ascontiguousarray(self.weights.T) / self._largest[:, None]

    def _reach(self, rows: slice) -> Floats:
        """The step of each input in the unit where it is largest; off by at most 3 UNIT of it."""
        sizes = self.inputs[rows] * self._largest
        if self.strategy == "inverted":
            sizes /= 1 - self.rate
        return -sizes if self.rate < 0.5 else sizes  # as `Layer.unit`

    def moments(self, rows: slice) -> Moments:
        """What every unit's mean and variance are, and by how much they can be off."""
        n = self.weights.shape[1]
        keep = 1 - self.rate
        reach = self._reach(rows)
        second = reach**2 @ self.shares**2
        # Squares of tiny shares vanish, and their inputs may be huge.
        whole = second + n * VANISHED * (reach**2).max(axis=1, keepdims=True, initial=0.0)
        mean = self.inputs[rows] @ self.weights.T
        if self.strategy == "test-scaled":
            mean *= keep
        mean += self.bias
        deviation = math.sqrt(self.chance) * np.sqrt((1 - self.chance) * whole) * SLACK + SMALLEST
        total = keep * math.sqrt(n) * np.sqrt(whole) + np.abs(self.bias)
        error = UNIT * (n + 6) * SLACK * total + SMALLEST
        return Moments(reach, mean, error, second, deviation)


@dataclass(frozen=True, eq=False)
class Moments:
    """Of all units of some samples; arrays (samples, neurons).

    Args:
        reach: the step of each input in the unit where it is largest, shape (samples, n); times
            `Asked.shares` they are the steps, off by at most 5 UNIT of each.
        mean: E z, rounded.
        mean_error: at least |E z - mean|.
        second: the sum of the squares of the steps, up to a factor SLACK.
        deviation: at least the standard deviation of z.

    """

    reach: Floats
    mean: Floats
    mean_error: Floats
    second: Floats
    deviation: Floats


def asked_of(
    weights: object, inputs: object, bias: object, rate: object, strategy: object
) -> Asked:
    """What was asked, or a UsageError that says which argument makes no sense."""
    drop = rate_of(rate, strategy)
    w = doubles("weights", weights, "of a layer, of shape (neurons, inputs)", 2)
    a = doubles("inputs", inputs, "of a batch, of shape (batch, inputs)", 2)
    if w.shape[1] != a.shape[1]:
        raise UsageError(
            f"weights (neurons, inputs) and inputs (batch, inputs) must agree on the inputs, got "
            f"shapes {w.shape} and {a.shape}"
        )
    given = np.zeros(len(w)) if bias is None else bias
    b = doubles("bias", given, "of a layer, of shape (neurons,)", 1)
    if len(b) != len(w):
        raise UsageError(f"bias must have one number for each of {len(w)} neurons, got {len(b)}")
    largest, furthest = (norm(np.abs(rows).max(axis=0, initial=0.0)) for rows in (w, a))
    require_room(largest, furthest, float(np.abs(b).max(initial=0.0)), 1 - drop)
    return Asked(w, a, b, drop, str(strategy))
