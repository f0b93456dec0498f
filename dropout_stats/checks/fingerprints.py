"""Masks as fingerprints: which noise calls drew, and when two of them may agree by chance."""

from __future__ import annotations

import math

import numpy as np

from dropout_stats.checks.bench import Bench
from dropout_stats.laws.dependent import agreement
from dropout_stats.laws.reading import Array
from dropout_stats.results import Finding

# Two lawful draws agree with probability 2^-400 or less. Over all comparisons of a run, that is
# less than the smallest false alarm that can be asked for, 1e-100.
_SURELY_BITS = 400.0
_MOST_CALLS = 64
_HEAD = 64  # bits by which a place is found

NO_NOISE = Finding(
    "inconclusive",
    "every unit was kept, or every unit was dropped, in all calls: there is no noise to compare. "
    "Repair the rate first",
)


def mask_of(bench: Bench, x: Array, y: Array, rate: float) -> bytes:
    """The bits that an output shows; inputs are never zero."""
    return np.packbits(bench.law.bits(x, y, rate)).tobytes()


def calls_needed(bench: Bench, shape: tuple[int, ...], rate: float) -> int | None:
    """Calls of this shape whose masks, taken together, surely differ; None: too many."""
    return calls_to_differ(bits_of(bench, shape, rate))


def calls_to_differ(bits: float) -> int | None:
    """So many calls surely differ, where two agree with probability 2^-bits; None: too many."""
    return None if bits * _MOST_CALLS < _SURELY_BITS else math.ceil(_SURELY_BITS / bits)


def bits_of(bench: Bench, shape: tuple[int, ...], rate: float) -> float:
    """Two masks of this shape that are drawn by the law agree with probability 2^-bits or less."""
    return -agreement(bench.law, shape, rate) / math.log(2)


def surely_differ(bits: float) -> bool:
    """Whether what agrees with probability 2^-bits does not agree by chance."""
    return bits >= _SURELY_BITS


def too_alike(shape: tuple[int, ...], rate: float) -> Finding:
    """What to say where correct masks agree by chance."""
    return Finding(
        "not-applicable",
        f"masks of shape {shape} at rate {rate:g} agree by chance, even those of correct code",
    )


def lacks_noise(mask: bytes, x: Array, calls: int) -> bool:
    """Whether the masks of these calls keep every unit, or drop every unit."""
    return mask in (np.packbits(np.ones(x.shape, np.bool_)).tobytes() * calls, bytes(len(mask)))


def places_later(earlier: bytes, later: bytes) -> int | None:
    """How many places further on in one sequence the later masks start; None if they do not.

    They must go on together for half of the masks, which is more than chance could do.
    """
    one, other = (
        np.unpackbits(np.frombuffer(mask, np.uint8)).tobytes() for mask in (earlier, later)
    )
    head, least = other[:_HEAD], len(other) // 2
    place = one.find(head, 1)
    while 0 < place <= len(one) - least:
        if one[place:] == other[: len(one) - place]:
            return place
        place = one.find(head, place + 1)
    return None


def draw(bench: Bench, x: Array, rate: float, calls: int) -> bytes:
    """The masks of so many calls in a row."""
    passes = (bench.caller.train(x.copy(), rate).y for _ in range(calls))
    return b"".join(mask_of(bench, x, y, rate) for y in passes)


def draw_from(bench: Bench, number: int, x: Array, rate: float, calls: int) -> bytes:
    """The masks of so many calls, after a restart with this seed or key."""
    bench.caller.restart(number)
    return draw(bench, x, rate, calls)
