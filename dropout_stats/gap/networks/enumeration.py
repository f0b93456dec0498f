"""Small networks: the sum over all masks (gap-of-networks.md, theorem 2)."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from dropout_stats.gap.networks.dense import Network
from dropout_stats.gap.networks.intervals import Intervals, exactly, rounded, stacked
from dropout_stats.gap.networks.passes import evaluated, trained
from dropout_stats.gap.rounding import SLACK, SMALLEST, UNIT, VANISHED, Floats, depth, tree_sum

MOST_BITS = 20
_BLOCK_BITS = 12


def applies(network: Network) -> bool:
    """Whether there are few enough masks before the readout."""
    return network.bits <= MOST_BITS


def gap(network: Network, rows: Floats) -> Intervals:
    """The gap at the output for each row."""
    found = [_mean(network, row).minus(_evaluation(network, row)) for row in rows]
    return stacked(found, network.outputs)


def _evaluation(network: Network, row: Floats) -> Intervals:
    value, halfwidth = evaluated(network, exactly(row[None]))
    return Intervals(value[0], halfwidth[0])


def _mean(network: Network, row: Floats) -> Intervals:
    """The mean of the training pass: sums over blocks in trees, and of the blocks correctly."""
    start = evaluated(network, exactly(row[None]), stop=network.first_noise)
    sums, sizes, errors = [], [], []
    for masks, chances in _masks(network):
        seen = trained(network, start, masks, network.first_noise, network.readout)
        value, halfwidth = evaluated(network, seen, start=network.readout)
        weights = chances[:, None]
        sums.append(tree_sum(weights * value))
        sizes.append(tree_sum(weights * np.abs(value)))
        errors.append(tree_sum(weights * halfwidth + VANISHED * (np.abs(value) + halfwidth)))
    total = np.array([math.fsum(column) for column in np.transpose(sums).tolist()])
    size, error = np.sum(sizes, axis=0), np.sum(errors, axis=0)
    operations = 2 * network.bits + 2 + depth(1 << _BLOCK_BITS)
    halfwidth = (operations * UNIT * size + error) * SLACK + SMALLEST * (1 + size)
    return rounded(total, halfwidth)


def _masks(network: Network) -> Iterator[tuple[dict[int, Floats], Floats]]:
    """All masks in blocks: by layer, a row for each, and the probability of each row."""
    places = _places(network)
    rates = np.concatenate(
        [np.full(stop - begin, network.layers[at].rate) for at, (begin, stop) in places.items()]
    )
    for first in range(0, 1 << network.bits, 1 << _BLOCK_BITS):
        number = np.arange(first, min(first + (1 << _BLOCK_BITS), 1 << network.bits))
        kept = (number[:, None] >> np.arange(network.bits) & 1).astype(np.float64)
        chances = np.prod(np.where(kept == 1, 1 - rates, rates), axis=1)
        yield {at: kept[:, begin:stop] for at, (begin, stop) in places.items()}, chances


def _places(network: Network) -> dict[int, tuple[int, int]]:
    """Which bits are the mask of which layer."""
    places, begin = {}, 0
    for at, layer in enumerate(network.layers[: network.readout]):
        if layer.noisy:
            places[at] = begin, begin + layer.matrix.shape[1]
            begin += layer.matrix.shape[1]
    return places
