"""Quantised keep probabilities: what a threshold of a few bits makes of a rate."""

from __future__ import annotations

import math

from dropout_stats.errors import UsageError

_MOST_BITS = 24  # more are as good as a float32, which nobody calls quantised


def keep_probs(rate: float, bits: int | None) -> tuple[float, ...]:
    """The keep probabilities that a rate stands for, the nearest to 1 - rate first.

    With so many bits they are the grid points on either side of 1 - rate: an implementation may
    round down, up or to the nearest. Only points inside (0, 1) count: at 0 and 1 there is no noise.
    Without bits it is 1 - rate itself.
    """
    exact = 1 - rate
    if bits is None or exact in (0.0, 1.0):
        return (exact,)
    place = exact * 2**bits
    points = {min(max(round_(place), 1), 2**bits - 1) for round_ in (math.floor, math.ceil)}
    return tuple(sorted((point / 2**bits for point in points), key=lambda q: (abs(q - exact), q)))


def valid_bits(bits: int | None) -> None:
    """Refuse a number of bits that makes no sense."""
    if bits is None:
        return
    if isinstance(bits, bool) or not isinstance(bits, int) or not 1 <= bits <= _MOST_BITS:
        raise UsageError(
            f"rate_bits must be None or a whole number in 1..{_MOST_BITS}, got {bits!r}"
        )
