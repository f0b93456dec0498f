"""How a requirement is tested, in words: what follows from the kind of its check, and its own."""

from __future__ import annotations

from dropout_stats.checks import Check, Probe, StreamCheck
from dropout_stats.checks.check import (
    ALL_LAWS,
    CONTINUOUS,
    SEVERAL_VALUED,
    TWO_VALUED,
    Places,
    StreamKind,
)

_PLACES: dict[Places, str] = {
    "once": "once, at the middle rate and in the first type",
    "dtype": "in each type, at the middle rate",
    "rate and dtype": "at each rate and in each type",
    "rate 0": "in each type, at rate 0",
    "rate 1": "in each type, at rate 1",
}
_STREAMS: dict[StreamKind, str] = {
    "usual": "the stream of each rate and type",
    "rank": "the short streams of calls of 1, 3, 4 and 5 dimensions",
    "tiny": "the stream of tiny calls",
    "peers": "the stream of peers",
}
_LAWS = {
    ALL_LAWS: "",
    TWO_VALUED: " Asked of laws that drop units.",
    TWO_VALUED + SEVERAL_VALUED: " Asked of laws whose multiplier takes a few values.",
    SEVERAL_VALUED: " Asked of laws whose multiplier takes several values.",
    CONTINUOUS: " Asked of laws whose multiplier has a density.",
    SEVERAL_VALUED + CONTINUOUS: " Asked of laws whose multiplier is not 0 or one kept factor.",
}
_CELLS = (
    "The e-value of a cell is against independent draws of one keep probability, whichever that "
    "is, so that a wrong rate alone never fails; that of the check is a mean over all cells."
)


def tested(check: Check) -> str:
    """Say with which calls a check is asked, and how."""
    if isinstance(check, Probe):
        said = f"Exactly, by calls of its own, {_PLACES[check.places]}. {check.how}"
        return f"{said}{_LAWS[check.laws]}"
    said = f"{_of_stream(check)} {check.how}{_LAWS[check.laws]}"
    of_values = check.laws == SEVERAL_VALUED  # their probabilities are known
    return f"{said} {_CELLS}" if check.context and not of_values else said


def _of_stream(check: StreamCheck) -> str:
    streams = _listed([_STREAMS[kind] for kind in check.on])
    if check.spends:
        return f"By an e-value on the counts of {streams}."
    if check.follows:
        return f"On the counts of {streams}; nothing is added to the error budget."
    return f"Exactly, on {streams}."


def _listed(parts: list[str]) -> str:
    *others, last = parts
    return f"{', '.join(others)} and {last}" if others else last
