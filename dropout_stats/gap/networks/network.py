"""The gap at the output of a deep network."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from dropout_stats.errors import UsageError
from dropout_stats.gap.networks import enumeration, exact, sampling
from dropout_stats.gap.networks.dense import Dense, Network, network_of
from dropout_stats.gap.networks.intervals import Intervals, exactly
from dropout_stats.gap.networks.passes import evaluated
from dropout_stats.gap.neuron import tolerance_of
from dropout_stats.gap.rounding import Floats
from dropout_stats.values import require, whole, word_or_none

METHODS = ("closed-form", "unit-by-unit", "enumeration", "monte-carlo")
_FEWEST = 1024  # the interval of Monte Carlo is one of many draws


@dataclass(frozen=True, eq=False)
class NetworkGap:
    """The gaps of a network, and how far each can be off.

    Args:
        value: the gaps, shape (batch, outputs).
        halfwidth: each true number is within this of `value`; if not `certified`, each by itself
            with the confidence 1 - 1e-6, as the number of draws grows.
        method: how they were computed.
        certified: the halfwidths are proved: truncation, rounding and all.

    """

    value: Floats
    halfwidth: Floats
    method: str
    certified: bool


def network(
    layers: Iterable[Dense],
    inputs: ArrayLike,
    *,
    strategy: str = "inverted",
    tolerance: float = 1e-9,
    masks: int = 1 << 14,
    seed: int = 0,
    method: str | None = None,
) -> NetworkGap:
    """E[training pass] - evaluation pass at the output of a network with dropout.

    It is exact, with a proof, where no mask acts before the last nonlinear layer, so for one
    nonlinear layer, and for two with no dropout before the first, whatever linear layers follow;
    and where the masks before the linear layers at the end are at most 2^20. Otherwise it is
    estimated by Monte Carlo with control variates. All arguments are taken as the real numbers that
    they are as doubles.

    Args:
        layers: `ds.gap.Dense`, from the inputs to the outputs; each has the rate of its own inputs.
        inputs: shape (batch, inputs).
        strategy: `"inverted"` or `"test-scaled"`, of all dropouts.
        tolerance: the halfwidth that is good enough: of an exact answer, and of Monte Carlo, which
            stops there.
        masks: the most training passes that Monte Carlo draws for each row of inputs.
        seed: of Monte Carlo. Each row has the same masks, whatever other rows there are.
        method: `"closed-form"`, `"unit-by-unit"`, `"enumeration"` or `"monte-carlo"`; None chooses.

    Returns:
        The gaps, shape (batch, outputs), how far each can be off, and by which method.

    Raises:
        UsageError: an argument makes no sense, layers do not fit, or the method does not apply.

    The proofs are in docs/explanation/gap-of-networks.md.

    """
    given, rows = network_of(layers, inputs, strategy)
    asked = _Question(
        tolerance_of(tolerance),
        _whole("masks", masks, _FEWEST),
        _whole("seed", seed, 0),
        word_or_none("method", method, METHODS),
    )
    random, start = _after_the_last_loss(given, rows)
    found = _solved(random, start, asked)
    if random is not given and strategy == "inverted":
        lost = evaluated(random, exactly(start)).minus(evaluated(given, exactly(rows)))
        gap = Intervals(found.value, found.halfwidth).plus(lost)
        return replace(found, value=gap.value, halfwidth=gap.halfwidth)
    return found


@dataclass(frozen=True)
class _Question:
    """How to answer, valid."""

    tolerance: float
    masks: int
    seed: int
    method: str | None


def _after_the_last_loss(given: Network, rows: Floats) -> tuple[Network, Floats]:
    """What is left to be random: a layer that drops everything makes what is before it not matter.

    For inverted dropout the evaluation pass still depends on it, and the caller adds that.
    """
    all_dropped = [at for at, layer in enumerate(given.layers) if layer.rate == 1]
    if not all_dropped:
        return given, rows
    last = given.layers[all_dropped[-1]]
    first = replace(last, weights=last.matrix, bias=last.shift, rate=0.0)
    kept = (first, *given.layers[all_dropped[-1] + 1 :])
    return Network(kept, given.strategy), np.zeros((len(rows), last.matrix.shape[1]))


def _solved(network_: Network, rows: Floats, asked: _Question) -> NetworkGap:
    method = _chosen(network_, asked.method)
    evaluated(network_, exactly(rows))  # refuses what no double holds, whatever the method
    if method == "closed-form":
        none = np.zeros((len(rows), network_.outputs))
        found = Intervals(none, none)
    elif method == "unit-by-unit":
        found = exact.gap(network_, rows, asked.tolerance)
    elif method == "enumeration":
        found = enumeration.gap(network_, rows)
    else:
        found = sampling.gap(network_, rows, asked.masks, asked.tolerance, asked.seed)
    return NetworkGap(found.value, found.halfwidth, method, method != "monte-carlo")


def _chosen(network_: Network, forced: str | None) -> str:
    """The method that is asked for, or the first that applies."""
    nothing = exact.cancels(network_)
    suits = {
        "closed-form": nothing,
        "unit-by-unit": not nothing and exact.applies(network_),
        "enumeration": not nothing and enumeration.applies(network_),
        "monte-carlo": not nothing,
    }
    suitable = [name for name in METHODS if suits[name]]
    if forced is None:
        return suitable[0]
    if forced not in suitable:
        raise UsageError(
            f"method {forced!r} does not apply to this network; these do: {', '.join(suitable)}"
        )
    return forced


def _whole(name: str, value: object, least: int) -> int:
    require(whole(name, value) >= least, name, value, f"at least {least}")
    return whole(name, value)
