"""Other networks: Monte Carlo with linear control variates (gap-of-networks.md, section 5).

What a training pass returns is regressed, in a first batch, on noise whose mean is 0. The rest
estimates the mean of what the regression leaves.
"""

from __future__ import annotations

import numpy as np

from dropout_stats.gap.networks.dense import Network
from dropout_stats.gap.networks.intervals import Intervals, stacked
from dropout_stats.gap.networks.noise import Draws, Sampler
from dropout_stats.gap.rounding import SLACK, Floats
from dropout_stats.gap.sequence import Running

_PASSES_A_CONTROL = 8  # in the first batch: fitting then costs about an eighth of the variance
_RIDGE = 1e-10


def gap(network: Network, rows: Floats, masks: int, tolerance: float, seed: int) -> Intervals:
    """The gap at the output for each row; every row has the same masks."""
    found = [_of_row(Sampler(network, row, masks), tolerance, seed) for row in rows]
    return stacked(found, network.outputs)


def _of_row(sampler: Sampler, tolerance: float, seed: int) -> Intervals:
    rng = np.random.default_rng(seed)
    first = min(sampler.masks // 4, _PASSES_A_CONTROL * sampler.width + 256)
    slopes = _slopes(sampler.draw(rng, first))
    seen = Running(sampler.masks - first, slopes.shape[1:])
    halfwidth = np.full(slopes.shape[1:], np.inf)
    while seen.draws < seen.most and (halfwidth > tolerance).any():
        drawn = sampler.draw(rng, min(sampler.block, seen.most - seen.draws))
        seen.add(drawn.outputs - drawn.controls @ slopes)
        halfwidth = seen.halfwidth
    unknown = sampler.unknown @ np.abs(slopes) + sampler.evaluation.halfwidth
    return Intervals(seen.mean, (halfwidth + unknown) * SLACK)


def _slopes(drawn: Draws) -> Floats:
    """Of the regression of each output on the controls, a column for each output."""
    from scipy.linalg import solve

    controls = drawn.controls - drawn.controls.mean(axis=0)
    outputs = drawn.outputs - drawn.outputs.mean(axis=0)
    gram = controls.T @ controls
    if not gram.any():
        return np.zeros((len(gram), outputs.shape[1]))
    gram[np.diag_indices_from(gram)] += _RIDGE * np.trace(gram) / len(gram)
    return np.asarray(solve(gram, controls.T @ outputs, assume_a="pos"), np.float64)
