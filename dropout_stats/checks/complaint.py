"""What is wrong with a call, before it is a finding."""

from __future__ import annotations

from typing import NamedTuple

from dropout_stats.errors import NoAnswerError, RaisedError, TargetError
from dropout_stats.results import Finding, Symptom

_CALLED: dict[str, Symptom] = {
    "train": "in train",
    "evaluate": "in evaluate",
    "vjp": "in vjp",
    "evaluate_vjp": "in evaluate_vjp",
}


class Complaint(NamedTuple):
    """What is wrong, in words, and what it looks like.

    Args:
        words: what is wrong.
        symptoms: what it looks like.
        of_values: whether the output has the shape and type that it should have, and values that
            it cannot have.

    """

    words: str
    symptoms: tuple[Symptom, ...] = ()
    of_values: bool = False

    def after(self, beginning: str) -> Complaint:
        """The same, with words before it."""
        return self._replace(words=beginning + self.words)

    def finding(self) -> Finding:
        """The failure that it is."""
        return Finding("fail", self.words, symptoms=self.symptoms)


def complaint_of(error: TargetError, words: str = "") -> Complaint:
    """A call that went wrong as a complaint, which says what was expected of it.

    Args:
        error: what came of the call.
        words: the same in other words.

    """
    said = words or str(error)
    expected = "; expected no error" if isinstance(error, RaisedError) else ""
    return Complaint(said + expected, symptoms_of(error))


def symptoms_of(error: TargetError) -> tuple[Symptom, ...]:
    """What a call that went wrong looks like."""
    if not isinstance(error, NoAnswerError):
        return ()
    raised: tuple[Symptom, ...] = ("raised",) if isinstance(error, RaisedError) else ()
    called = _CALLED.get(error.call.partition("(")[0].rpartition(" ")[2])
    return ("no answer", *raised, *((called,) if called else ()))
