"""Networks whose masks before the last nonlinear layer are none: unit by unit, exactly.

What that layer is given is then one number for each input, and each of its units is a problem of
`ds.gap.layer`; masks behind it are linear (gap-of-networks.md, theorem 1).
"""

from __future__ import annotations

import math

import numpy as np

from dropout_stats.gap.layers.layer import layer as of_layer
from dropout_stats.gap.networks.dense import Dense, Network
from dropout_stats.gap.networks.intervals import Intervals, exactly
from dropout_stats.gap.networks.passes import evaluated, read_out, readout_size
from dropout_stats.gap.rounding import SLACK, Floats

_MOST_MASKS = 20  # binary logarithm; beyond, nothing certifies a callable


def cancels(network: Network) -> bool:
    """Whether no mask acts on a nonlinear layer: then there is no gap."""
    return network.first_noise >= network.readout


def applies(network: Network) -> bool:
    """Whether the only masks before the readout are those of the last nonlinear layer."""
    last = network.readout - 1
    return network.first_noise == last and _certain(network.layers[last], alone=last == 0)


def _certain(layer: Dense, *, alone: bool) -> bool:
    f = layer.activation
    bounded = alone or math.isfinite(f.lipschitz)
    return bounded and (f.known or layer.matrix.shape[1] <= _MOST_MASKS)


def gap(network: Network, rows: Floats, tolerance: float) -> Intervals:
    """The gap at the output for each row."""
    last = network.readout - 1
    layer = network.layers[last]
    given = evaluated(network, exactly(rows), stop=last)
    each = tolerance / max(1.0, readout_size(network))
    found = gaps(layer, given.value, network.strategy, each)
    return read_out(network, Intervals(found.value, found.halfwidth + _moved(network, given)))


def _moved(network: Network, given: Intervals) -> Floats:
    """What the error of the inputs of the last nonlinear layer may change its gaps."""
    layer = network.layers[network.readout - 1]
    if not given.halfwidth.any():
        return np.zeros((len(given.value), len(layer.matrix)))
    slope = layer.activation.lipschitz
    return 2 * slope * (given.halfwidth @ np.abs(layer.matrix).T) * SLACK


def gaps(layer: Dense, rows: Floats, strategy: str, tolerance: float) -> Intervals:
    """`ds.gap.layer`, for each row."""
    found = of_layer(
        layer.f,
        layer.matrix,
        rows,
        bias=layer.shift,
        rate=layer.rate,
        strategy=strategy,
        tolerance=tolerance,
    )
    return Intervals(found.value, found.halfwidth)
