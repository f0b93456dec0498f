"""Cases as pytest runs them: one at a time, each bound to the run that answers it."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeVar, Unpack

from dropout_stats.api import BoundRun, bind, finish
from dropout_stats.laws import AnyLaw
from dropout_stats.options import Options
from dropout_stats.planning import PlannedCase
from dropout_stats.report.json import dump_result, load_result
from dropout_stats.report.model import Report
from dropout_stats.report.terminal import failure_text
from dropout_stats.results import Result
from dropout_stats.settling import settle_one

_Test = TypeVar("_Test", bound=Callable[..., object])


class _Answer(NamedTuple):
    """The result of a case, and what had been observed when it was there."""

    result: Result
    observations: tuple[str, ...]


@dataclass
class Session:
    """One run, whose cases are asked for in any order; each is answered once.

    Args:
        bound: the run.

    """

    bound: BoundRun
    _answers: dict[str, _Answer] = field(default_factory=dict)

    def result(self, planned: PlannedCase) -> Result:
        """What is found for a case, whatever is expected; each stream is drawn once."""
        key = planned.case.id
        if key not in self._answers:
            result = self.bound.result(planned)
            self._answers[key] = _Answer(result, self.bound.observations)
        return self._answers[key].result

    def answer(self, planned: PlannedCase) -> str | None:
        """The answer to a case as text, for the session of another process; None before it."""
        answer = self._answers.get(planned.case.id)
        if answer is None:
            return None
        return json.dumps([dump_result(answer.result), answer.observations])

    def adopt(self, text: str) -> None:
        """Take over an answer that another process gave to a case of the same plan."""
        values, observations = json.loads(text)
        result = load_result(values)
        self._answers.setdefault(result.case.id, _Answer(result, tuple(observations)))

    def report(self) -> Report:
        """Return the report of the cases that were answered so far, in the order of the plan."""
        ids = (planned.case.id for planned in self.bound.plan.cases)
        answers = [self._answers[key] for key in ids if key in self._answers]
        observed = dict.fromkeys(text for answer in answers for text in answer.observations)
        return finish(self.bound, tuple(answer.result for answer in answers), tuple(observed))


@dataclass(frozen=True)
class BoundCase:
    """One case in somebody's test suite.

    Args:
        session: the run that answers it.
        planned: the case and its share of the error budget.

    """

    session: Session
    planned: PlannedCase

    @property
    def id(self) -> str:
        """The name of the case, e.g. `rate.marginal[0.1-float32]`."""
        return self.planned.case.id

    def result(self) -> Result:
        """The result, without raising, as the expectations make it that concern it alone.

        Whether an expectation of several cases is out of date, only the whole run can tell.
        """
        expected = self.session.bound.plan.asked.expected
        return settle_one(self.session.result(self.planned), expected)

    def answer(self) -> str | None:
        """The answer as text, for the session of another process; None before there is one."""
        return self.session.answer(self.planned)

    def check(self) -> None:
        """Pass, skip (not-applicable), xfail (expected-failure), or raise.

        Raises:
            AssertionError: the case failed, passed unexpectedly or is inconclusive; the text says
                all about it.
            RuntimeError: the check itself broke.

        """
        result = self.result()
        if result.verdict == "not-applicable":
            import pytest

            pytest.skip(result.message)
        if result.verdict == "expected-failure":
            import pytest

            pytest.xfail(str(result.expected))  # with --runxfail it returns, and the case fails
        if result.verdict == "error":
            raise RuntimeError(result.message)
        if result.verdict != "pass":
            raise AssertionError(failure_text(_asked_again(result)).strip())


def _asked_again(result: Result) -> Result:
    """Where no command names the target, the test that is running asks it again."""
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0]
    if not test or result.reproduce.startswith("dropout-stats "):
        return result
    message = f"{result.message}\nthe same noise: {result.reproduce}"
    return replace(result, message=message, reproduce=f"pytest {shlex.quote(test)}")


def bound_cases(
    target: object, law: AnyLaw | str | None = None, **options: Unpack[Options]
) -> tuple[BoundCase, ...]:
    """Plan a run and return its cases; takes the arguments of `check`."""
    session = Session(bind(target, law, **options))
    return tuple(BoundCase(session, planned) for planned in session.bound.plan.cases)


def parametrize_checks(
    target: object, law: AnyLaw | str | None = None, **options: Unpack[Options]
) -> Callable[[_Test], _Test]:
    """Parametrize a test function over the cases of a target: one pytest item a case.

    The function takes an argument `case` and calls `case.check()`. Takes the arguments of `check`.
    """
    import pytest

    cases = bound_cases(target, law, **options)
    return pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in cases])
