"""Passes of a network: of evaluation, and of training with masks that are given.

All of them are in intervals. A readout, the linear layers at the end, always has its masks
integrated: the mean of its training pass is its evaluation pass at the mean of what it is given.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dropout_stats.gap.networks.dense import Dense, Network
from dropout_stats.gap.networks.intervals import Intervals, held, linear, scaled, through
from dropout_stats.gap.rounding import Floats


def evaluated(network: Network, x: Intervals, start: int = 0, stop: int | None = None) -> Intervals:
    """The evaluation pass from layer `start` to before `stop`, for rows of inputs."""
    for at in range(start, len(network.layers) if stop is None else stop):
        layer = network.layers[at]
        x = applied(network, at, in_evaluation(layer, x, network.strategy))
    return x


def trained(
    network: Network, x: Intervals, masks: Mapping[int, Floats], start: int, stop: int
) -> Intervals:
    """The training pass from layer `start` to before `stop`: masks by layer, a row for each."""
    for at in range(start, stop):
        layer = network.layers[at]
        dropped = in_training(layer, x, masks[at], network.strategy) if layer.noisy else x
        x = applied(network, at, dropped)
    return x


def applied(network: Network, at: int, x: Intervals) -> Intervals:
    """One layer without its dropout."""
    layer = network.layers[at]
    found = through(layer.activation, linear(x, layer.matrix, layer.shift))
    return held(f"the output of layer {at + 1} of {len(network.layers)}", found)


def in_evaluation(layer: Dense, x: Intervals, strategy: str) -> Intervals:
    """What a layer sees in evaluation."""
    if strategy == "inverted" or layer.rate == 0:
        return x
    return scaled(x, 1 - layer.rate, divide=False)


def in_training(layer: Dense, x: Intervals, mask: Floats, strategy: str) -> Intervals:
    """What a noisy layer sees in training, with one row of the mask for each row of the result."""
    if strategy == "inverted":
        x = scaled(x, 1 - layer.rate, divide=True)
    return Intervals(mask * x.value, mask * x.halfwidth)


def read_out(network: Network, gap: Intervals) -> Intervals:
    """The gap at the output, from that at the readout: what is added once cancels."""
    for layer in network.layers[network.readout :]:
        gap = linear(in_evaluation(layer, gap, network.strategy), layer.matrix)
    return gap


def readout_size(network: Network) -> float:
    """The most that an output moves where what the readout is given moves by 1 everywhere."""
    size = np.ones(network.layers[network.readout - 1].matrix.shape[0])
    for layer in network.layers[network.readout :]:
        size = np.abs(layer.matrix) @ size
    return float(size.max())
