"""The checks, in the order in which reports show them."""

from __future__ import annotations

from dropout_stats.checks import (
    calls,
    dependence,
    dispersion,
    gradient,
    gradient_edges,
    history,
    host_generators,
    inference,
    input_value,
    interface,
    limits,
    moments,
    peers,
    position,
    randomness,
    rate,
    seeds,
    support,
    workers,
)
from dropout_stats.checks.check import Check, Probe, StreamCheck

__all__ = ["ALL", "Check", "Probe", "StreamCheck", "by_id", "stream_checks"]

ALL: tuple[Check, ...] = (
    interface.CALL,
    interface.SHAPE,
    interface.DTYPE,
    interface.INPUT_UNCHANGED,
    interface.INVALID_RATE,
    interface.DEGENERATE,
    limits.RATE_ZERO,
    limits.RATE_ONE,
    support.KEPT_VALUE,
    support.RETURNED_MASK,
    rate.MARGINAL,
    moments.MEAN,
    moments.NOISE_MEAN,
    moments.VARIANCE,
    moments.ENUMERATED,
    inference.LAW,
    inference.DETERMINISTIC,
    calls.REPEATED_MASK,
    dispersion.COUNT,
    history.PREVIOUS,
    history.DRIFT,
    position.UNIT,
    position.MODULUS,
    position.AXIS,
    dependence.LAG,
    dependence.ALL_LAGS,
    dependence.AXES,
    dependence.PATTERNS,
    dependence.SURVIVORS,
    dispersion.ROW,
    peers.COPY,
    input_value.CLASS,
    gradient.SAME_NOISE,
    gradient.DROPPED_IS_ZERO,
    gradient_edges.AT_ZERO,
    gradient_edges.LINEAR,
    gradient.DY_UNCHANGED,
    gradient.FORWARD,
    gradient_edges.EVALUATION,
    randomness.FRESH,
    seeds.SEED_REPEATS,
    seeds.SEEDS_DIFFER,
    seeds.SEED_IS_READ,
    randomness.IDLE,
    host_generators.HOST_GENERATORS,
    # Last: a target that is not made for several threads may be left in disorder.
    workers.THREADS,
    workers.FORKS,
)

by_id: dict[str, Check] = {check.id: check for check in ALL}
stream_checks: dict[str, StreamCheck] = {c.id: c for c in ALL if isinstance(c, StreamCheck)}
