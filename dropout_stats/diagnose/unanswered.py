"""What is wrong where a declared call raises, or returns something that cannot be judged."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from dropout_stats.diagnose.cause import Cause, cause_of, matches
from dropout_stats.diagnose.failures import Failures
from dropout_stats.results import Diagnosis, Result, Symptom


class Unanswered(NamedTuple):
    """Diagnoses of calls without an answer.

    Args:
        roots: of usual training passes, without which little else can be asked.
        others: of calls of another kind.

    """

    roots: tuple[Diagnosis, ...]
    others: tuple[Diagnosis, ...]


@dataclass(frozen=True)
class _Crash:
    """A cause, and the calls that it is about.

    Args:
        cause: it explains failures of the same calls, and is followed by those of others.
        called: the callable of the target that was called; None for whichever.
        is_usual: whether it is about the calls of the usual streams.

    """

    cause: Cause
    called: Symptom | None = None
    is_usual: bool = False

    def within(self, results: Iterable[Result]) -> Failures:
        """The results of calls that it is about."""
        return Failures(
            tuple(r for r in results if self.called is None or self.called in r.symptoms)
        )

    def is_there(self, own: Failures, gone: set[str]) -> bool:
        """Whether it shows among the results of its calls."""
        usual = (r for r in own.results if not (self.is_usual and r.case.variant))
        return self.cause.is_there(Failures(tuple(usual)), gone)


_ROOTS = (
    cause_of(
        ["interface.call"],
        "training passes raise after others were answered",
        "a training pass raises, though calls of the same kind before it did not: something is "
        "used up, grows or overflows with the number of calls, or depends on what was drawn",
        "look at what lives across calls: a counter, a buffer, a cache; and at branches on the "
        "draws",
        looks=["not at first"],
        explains=["*"],
    ),
    cause_of(
        ["interface.call"],
        "training passes raise",
        "a training pass raises at the first call, inside what is declared",
        "repair what the message names; if the target wants to be called otherwise, declare it: "
        "Conventions(...), or wrap it in a function (x, rate)",
        looks=["raised"],
        explains=["*"],
    ),
    cause_of(
        ["interface.call"],
        "no array is returned",
        "a training pass returns something that is no array of real numbers, such as a list or "
        "None",
        "return the output as an array; a mask may go beside it: dropout_stats.Output(y, mask=...)",
        explains=["*"],
    ),
)

_CRASHES = (
    *(_Crash(cause, "in train", is_usual=True) for cause in _ROOTS),
    _Crash(
        cause_of(
            ["interface.call", "interface.shape", "structure.shapes"],
            "some shapes are not taken",
            "usual training passes are answered; those of other shapes or numbers of dimensions "
            "raise, or return no array, though they are declared",
            "take them as well, or declare those that are taken: Conventions(ndims=...)",
            explains=["interface.*", "structure.*", "randomness.*"],
        ),
        "in train",
    ),
    _Crash(
        cause_of(
            ["limits.rate_one"],
            "raising at rate 1",
            "1/(1 - rate) divides by zero at rate 1, or the rate is refused, though the declared "
            "domain has it",
            "return zeros at rate 1 before anything is divided; or declare "
            "Conventions(rate_domain='[0, 1)')",
            looks=["raised"],
            explains=["structure.rates"],
            follows=["gradient.ends"],
        ),
        "in train",
    ),
    _Crash(
        cause_of(
            ["limits.rate_zero"],
            "raising at rate 0",
            "a training pass raises at rate 0, which every domain has",
            "return the input early at rate 0",
            looks=["raised"],
            explains=["structure.rates", "structure.values", "randomness.*"],
            follows=["gradient.ends"],
        ),
        "in train",
    ),
    _Crash(
        cause_of(
            ["*"],
            "the evaluation pass gives no answer",
            "an evaluation pass raises, or returns no array, where the training pass answers",
            "let evaluation take what training takes: return the input (inverted), or the input "
            "times 1 - rate (test-scaled)",
        ),
        "in evaluate",
    ),
    _Crash(
        cause_of(
            ["*"],
            "the evaluation pass cannot be differentiated",
            "the backward pass of an evaluation pass raises, or returns no pair of output and "
            "gradient: it is only defined in training",
            "give evaluation a backward pass: dy (inverted), or dy times 1 - rate (test-scaled). "
            "Gradients are taken in evaluation, too, as for saliency maps and frozen layers",
        ),
        "in evaluate_vjp",
    ),
    _Crash(
        cause_of(
            ["*"],
            "the training pass cannot be differentiated",
            "the backward pass of a training pass raises, or returns no pair of output and "
            "gradient",
            "give the training pass a backward pass for all that it takes: dy times the mask and "
            "the scale of the forward pass",
        ),
        "in vjp",
    ),
    _Crash(
        cause_of(
            ["*"],
            "a declared call gives no answer",
            "a call inside what is declared raises, or returns no array of real numbers",
            "repair what the message names, or declare what is taken: Conventions(...)",
        )
    ),
)


def name_unanswered(results: Sequence[Result], explained: Collection[str]) -> Unanswered:
    """Name the causes of failures in which a call gave no answer.

    Args:
        results: the results of a run.
        explained: ids of checks that another diagnosis accounts for, which has them.

    """
    silent = [r for r in results if r.verdict == "fail" and "no answer" in r.symptoms]
    gone = set(explained)
    roots: list[Diagnosis] = []
    others: list[Diagnosis] = []
    for crash in _CRASHES:
        own, cause = crash.within(silent), crash.cause
        if crash.is_there(own, gone):
            takes = {c for c in own.checks if matches(c, (*cause.checks, *cause.explains))}
            takes |= {r.check for r in silent if matches(r.check, cause.follows)}
            ordered = dict.fromkeys(r.check for r in silent if r.check in takes - gone)
            diagnosis = replace(cause.diagnosis, checks=tuple(ordered))
            (roots if crash.is_usual else others).append(diagnosis)
            gone |= takes
    return Unanswered(tuple(roots), tuple(others))
