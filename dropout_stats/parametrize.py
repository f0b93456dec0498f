"""Cases as pytest runs them: one at a time, each bound to the run that answers it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar, Unpack

from dropout_stats.api import BoundRun, bind, finish
from dropout_stats.laws import Law
from dropout_stats.options import Options
from dropout_stats.planning import PlannedCase
from dropout_stats.report.model import Report
from dropout_stats.report.terminal import failure_text
from dropout_stats.results import Result

_Test = TypeVar("_Test", bound=Callable[..., object])


@dataclass
class Session:
    """One run, whose cases are asked for in any order; each is answered once.

    Args:
        bound: the run.

    """

    bound: BoundRun
    _results: dict[str, Result] = field(default_factory=dict)

    def result(self, planned: PlannedCase) -> Result:
        """The result of a case; the stream of its configuration is drawn once."""
        key = planned.case.id
        if key not in self._results:
            self._results[key] = self.bound.result(planned)
        return self._results[key]

    def report(self) -> Report:
        """Return the report of the cases that were asked for so far."""
        return finish(self.bound, tuple(self._results.values()))


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
        """The result, without raising."""
        return self.session.result(self.planned)

    def check(self) -> None:
        """Pass, skip (not-applicable), or raise: AssertionError for fail and inconclusive.

        Raises:
            AssertionError: the case failed or is inconclusive; the text says all about it.
            RuntimeError: the check itself broke.

        """
        result = self.result()
        if result.verdict == "not-applicable":
            import pytest

            pytest.skip(result.message)
        if result.verdict == "error":
            raise RuntimeError(result.message)
        if result.verdict != "pass":
            raise AssertionError(failure_text(result).strip())


def bound_cases(
    target: object, law: Law | str | None = None, **options: Unpack[Options]
) -> tuple[BoundCase, ...]:
    """Plan a run and return its cases; takes the arguments of `check`."""
    session = Session(bind(target, law, **options))
    return tuple(BoundCase(session, planned) for planned in session.bound.plan.cases)


def parametrize_checks(
    target: object, law: Law | str | None = None, **options: Unpack[Options]
) -> Callable[[_Test], _Test]:
    """Parametrize a test function over the cases of a target: one pytest item a case.

    The function takes an argument `case` and calls `case.check()`. Takes the arguments of `check`.
    """
    import pytest

    cases = bound_cases(target, law, **options)
    return pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in cases])
