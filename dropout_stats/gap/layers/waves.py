"""The Fourier series of many units at once, from their power sums (gap.md, section 14)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dropout_stats.gap.layers.exponent import Exponent
from dropout_stats.gap.layers.frequencies import Frequencies
from dropout_stats.gap.layers.power_sums import PowerSums
from dropout_stats.gap.rounding import FUNCTION, SLACK, UNIT, Floats

Complexes = NDArray[np.complex128]

_TOGETHER = 1 << 16  # waves that are computed at once


def slope_in_squares(chosen: Frequencies) -> float:
    """The sum of |weight| (t / T)^2, T the last of the frequencies."""
    t = chosen.series.frequencies
    return float(np.abs(chosen.series.weights) @ (t / t[-1]) ** 2) * SLACK


def effect(chosen: Frequencies, decay: float, squares: Floats | float) -> Floats:
    """What an exponent that is off by x^2 changes the series of units by, per unit of that.

    With |phi| <= e^(-decay y), y = (t / T)^2 squares, that is the sum of |weight| y e^(-decay y).
    """
    most = float(np.abs(chosen.series.weights).sum()) * SLACK / (math.e * decay)
    return np.minimum(most, slope_in_squares(chosen) * squares)


def rounding(chosen: Frequencies, fitted: Exponent, inputs: int, most: float) -> float:
    """What rounding the power sums changes the series by, over the sum of all squares in them."""
    terms = max(len(fitted.even), len(fitted.odd))
    size = fitted.size(most) * slope_in_squares(chosen)
    return 2 * UNIT * (inputs + 30 * terms + 60) * size


@dataclass(frozen=True, eq=False)
class Waves:
    """The series of the units of some samples.

    Args:
        chosen: the frequencies.
        polynomials: the exponent of an input.
        sums: the power sums of the steps over `chosen.scale`.
        mean: E z, shape (samples, neurons).
        most: the steps of an input that the power sums have at once.
        inputs: how many each unit has.
        chance: of each step.
        odd: whether f'' is.

    """

    chosen: Frequencies
    polynomials: Exponent
    sums: PowerSums
    mean: Floats
    most: float
    inputs: int
    chance: float
    odd: bool

    def total(self) -> Floats:
        """Minus the sum over frequencies of weight * Re[e^(i t mean) phi F / |F|]."""
        weights = self.chosen.series.weights
        out = np.empty(self.mean.size)
        width = max(1, _TOGETHER // len(weights))
        for start in range(0, len(out), width):
            modulus, phase = self._light(slice(start, start + width))
            self._multiply_heavy(modulus, phase, start)
            modulus *= np.sin(phase) if self.odd else np.cos(phase)
            out[start : start + width] = weights @ modulus
        return (out if self.odd else -out).reshape(self.mean.shape)

    def _light(self, units: slice) -> tuple[Floats, Floats]:
        """Modulus of phi from the light inputs, and its argument plus t mean."""
        t = self.chosen.series.frequencies
        even = self.sums.even.reshape(len(self.sums.even), -1)[:, units]
        modulus = self._matrix(self.polynomials.even, 2) @ even
        phase = np.multiply.outer(t, self.mean.ravel()[units])
        if len(self.sums.odd):
            odd = self.sums.odd.reshape(len(self.sums.odd), -1)[:, units]
            phase += self._matrix(self.polynomials.odd, 3) @ odd
        return np.exp(modulus, out=modulus), phase

    def _matrix(self, coefficients: Floats, first: int) -> Floats:
        """Coefficients times the powers of t / T, shape (frequencies, terms)."""
        t = self.chosen.series.frequencies
        powers = np.multiply.outer(t / t[-1], np.ones(first + 2 * len(coefficients) - 2))
        return np.asarray(powers.cumprod(axis=1)[:, first - 1 :: 2] * coefficients, np.float64)

    def _multiply_heavy(self, modulus: Floats, phase: Floats, start: int) -> None:
        """Multiply the units from `start` on by the factors of their heavy inputs."""
        heavy = self.chosen.heavy
        ends = np.searchsorted(heavy.units, (start, start + modulus.shape[1]))
        units, firsts = np.unique(heavy.units[slice(*ends)] - start, return_index=True)
        if not len(units):
            return
        steps = heavy.steps[slice(*ends)] * self.chosen.scale
        factors = np.multiply.reduceat(self._factors(steps), firsts, axis=1)
        if np.iscomplexobj(factors):
            shift = self.chance * np.add.reduceat(steps, firsts)
            phase[:, units] -= np.multiply.outer(self.chosen.series.frequencies, shift)
            phase[:, units] += np.angle(factors)
            factors = np.abs(factors)
        modulus[:, units] *= factors

    def _factors(self, steps: Floats) -> Floats | Complexes:
        """1 + s (e^(i t d) - 1); for s = 1/2 the real cos(t d / 2), which is centred."""
        half = np.multiply.outer(self.chosen.series.frequencies, steps / 2)
        if self.chance == 0.5:
            return np.cos(half)
        sine = np.sin(half)
        out = np.empty(half.shape, np.complex128)
        out.real = 1 - 2 * self.chance * sine * sine
        out.imag = 2 * self.chance * sine * np.cos(half)
        return out

    def error(self) -> Floats:
        """Bound of what `total` is off by for the steps that the layer has (theorem 14)."""
        series, fitted = self.chosen.series, self.polynomials
        weights = np.abs(series.weights)
        total, slope = float(weights.sum()), float(weights @ series.frequencies)
        if fitted.error >= fitted.decay:
            return np.full(self.mean.shape, np.inf)
        error = fitted.error * effect(self.chosen, fitted.decay - fitted.error, self.sums.squares)
        error += rounding(self.chosen, fitted, self.inputs, self.most) * self.sums.squares
        error = np.where(error < 0.01 * total, 1.02 * error, np.inf)
        own = (3 * FUNCTION + len(weights)) * total + 4 * slope * np.abs(self.mean)
        error += UNIT * own + float(series.weight_errors.sum())
        return (error + self._heavy_error(total, slope)) * SLACK

    def _heavy_error(self, total: float, slope: float) -> Floats:
        """What the factors of the heavy inputs add, or inf where that is no small error."""
        units, size = self.chosen.heavy.units, self.mean.size
        number = np.bincount(units, minlength=size)
        steps = np.bincount(units, np.abs(self.chosen.heavy.steps), size) * self.chosen.scale
        turn = self.chance * (24 + number) * steps
        last = UNIT * (turn * self.chosen.series.frequencies[-1] + 72 * number)
        error = np.where(last < 0.01, 1.02 * UNIT * (slope * turn + 72 * total * number), np.inf)
        return error.reshape(self.mean.shape)
