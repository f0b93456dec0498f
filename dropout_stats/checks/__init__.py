"""The checks, in the order in which reports show them."""

from __future__ import annotations

from dropout_stats.checks import (
    calls,
    gradient,
    inference,
    interface,
    limits,
    moments,
    precision,
    rate,
    structure,
    support,
)
from dropout_stats.checks.check import Check, Probe, StreamCheck

__all__ = ["ALL", "Check", "Probe", "StreamCheck", "by_id"]

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
    structure.SHAPES,
    structure.LAYOUTS,
    structure.VALUES,
    structure.RATES,
    precision.VALUES,
    rate.MARGINAL,
    moments.MEAN,
    moments.NOISE_MEAN,
    moments.VARIANCE,
    moments.ENUMERATED,
    inference.LAW,
    inference.DETERMINISTIC,
    calls.REPEATED_MASK,
    calls.COUNT_DISPERSION,
    gradient.SAME_NOISE,
    gradient.DROPPED_IS_ZERO,
)

by_id: dict[str, Check] = {check.id: check for check in ALL}
