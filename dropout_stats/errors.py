"""What goes wrong around a target, in words that say what was expected, seen and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class DropoutStatsError(Exception):
    """Base of every error that this library raises on purpose."""


class HarnessError(DropoutStatsError):
    """The target could not be found, adapted or asked: no statement about it was made."""


class UsageError(DropoutStatsError, ValueError):
    """An argument has a value that makes no sense; the message says which and what would."""


class TargetError(DropoutStatsError):
    """A call of the target raised, or returned something that is not its output.

    Args:
        call: the call in words, e.g. `train(x of shape (3, 5) float32, rate=0.3)`.
        problem: what came of it.

    """

    def __init__(self, call: str, problem: str) -> None:
        super().__init__(call, problem)
        self.call = call
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.call} {self.problem}"


class NoAnswerError(TargetError):
    """The call raised, or returned nothing that a check could judge."""


class RaisedError(NoAnswerError):
    """The call raised."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ` Did you mean ...?` for the nearest known names, or nothing."""
    close = get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f" Did you mean {' or '.join(repr(match) for match in close)}?" if close else ""
