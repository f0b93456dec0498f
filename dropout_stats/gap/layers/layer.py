"""The gaps of all units of a layer over a batch."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from dropout_stats.errors import UsageError
from dropout_stats.gap.activations import Activation, activation_of
from dropout_stats.gap.layers import series
from dropout_stats.gap.layers.asked import Asked, asked_of
from dropout_stats.gap.methods import method_of
from dropout_stats.gap.neuron import Nonlinear, answer, tolerance_of
from dropout_stats.gap.result import Gaps

_SUMS = "power-sums"
_NONE = ""
_LEAST = 1e-30  # a tolerance that no sum reaches


def layer(
    f: Nonlinear,
    weights: ArrayLike,
    inputs: ArrayLike,
    *,
    bias: ArrayLike | None = None,
    rate: float,
    strategy: str = "inverted",
    tolerance: float = 1e-7,
    method: str | None = None,
) -> Gaps:
    """E[f(training pass)] - f(evaluation pass) of every unit, for every sample of a batch.

    It is what `neuron` has for each row of `weights` and each row of `inputs`. The smooth f,
    `"sigmoid"`, `"tanh"`, `"softplus"`, `"silu"` and `"gelu"`, are done all at once by sums of
    powers, which are matrix products, at the price of some tens of dropout forward passes. A unit
    that these cannot do to the tolerance, and any other f, is done one at a time.

    Args:
        f: as for `neuron`.
        weights: of the layer, shape (neurons, inputs).
        inputs: what is dropped, shape (batch, inputs).
        bias: added after the sum, shape (neurons,); None is 0.
        rate: the drop rate, in [0, 1].
        strategy: `"inverted"` or `"test-scaled"`.
        tolerance: the halfwidth that is good enough. Sums of powers reach about 1e-10 with 1,000
            inputs; what is wanted more exactly, or has pre-activations that vary by hundreds, takes
            as long as `neuron` for each unit.
        method: `"power-sums"`, or a method of `neuron` for every unit; None chooses.

    Returns:
        The gaps, how far each can be off, and by which method: arrays (batch, neurons).

    Raises:
        UsageError: an argument makes no sense, or the method that is asked for does not apply.

    Theorem 14 of docs/explanation/gap.md is the proof.

    """
    asked = asked_of(weights, inputs, bias, rate, strategy)
    activation = activation_of(f)
    wanted, by_sums = tolerance_of(tolerance), isinstance(method, str) and method == _SUMS
    if not by_sums:
        method_of(method)
    at_once = method is None or by_sums
    found = _at_once(activation, asked, wanted) if at_once else _unknown(asked)
    if by_sums and (found.method != _SUMS).any():
        raise UsageError(
            f"method {_SUMS!r} does not apply to f={activation.name!r} at rate {asked.rate:g}; it "
            f"takes sigmoid, tanh, softplus, silu and gelu at rates inside (0, 1)"
        )
    if not by_sums:
        _one_at_a_time(found, f, asked, tolerance, method)
    return found


def _at_once(f: Activation, asked: Asked, tolerance: float) -> Gaps:
    """The gaps of all units where matrix products give them."""
    if asked.certain or (f.name == "identity" and asked.rate < 1):
        return _filled(asked, 0.0, 0.0, "closed-form")
    if f.kernel is None or asked.rate == 1 or not all(asked.shape):
        return _unknown(asked)
    found = series.gaps(f, f.kernel, asked, min(max(tolerance, _LEAST), 1.0))
    return _filled(asked, found.value, found.halfwidth, _SUMS)


def _unknown(asked: Asked) -> Gaps:
    return _filled(asked, 0.0, np.inf, _NONE)


def _filled(asked: Asked, value: ArrayLike, halfwidth: ArrayLike, method: str) -> Gaps:
    shape = asked.shape
    return Gaps(
        np.full(shape, value, np.float64),
        np.full(shape, halfwidth, np.float64),
        np.full(shape, method, object),
        np.ones(shape, bool),
    )


def _one_at_a_time(
    gaps: Gaps, f: Nonlinear, asked: Asked, tolerance: float, method: str | None
) -> None:
    """Ask for each unit that is not known to the tolerance; keep what is narrower."""
    unknown = gaps.method == _NONE
    for row, neuron in np.argwhere(unknown | (gaps.halfwidth > tolerance)).tolist():
        found = answer(f, asked.unit(row, neuron), tolerance, method, subtract=True)
        if unknown[row, neuron] or found.halfwidth < gaps.halfwidth[row, neuron]:
            gaps.value[row, neuron] = found.value
            gaps.halfwidth[row, neuron] = found.halfwidth
            gaps.method[row, neuron] = found.method
            gaps.certified[row, neuron] = found.certified
