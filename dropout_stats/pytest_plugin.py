"""`pytest --dropout-target package.module:attribute`: one test item a case, no test file needed.

This module is imported by every pytest run of everybody who installed the package, so it imports
nothing but pytest until a target is named. It never runs a check by itself: an item asks the run
that the command line uses for one result.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from dropout_stats.parametrize import BoundCase, Session

_SESSION_SEED = "dropout_stats_seed"
_COLLECTOR = "dropout-stats"
_ANSWER = "dropout_stats_answer"  # an attribute of a report, which pytest-xdist carries along


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the command line that make sense here."""
    group = parser.getgroup("dropout-stats", "judge a dropout implementation")
    add = group.addoption
    add("--dropout-target", metavar="TARGET", help="package.module:attribute or path/file.py:name")
    add("--dropout-law", metavar="LAW", help="inverted, test-scaled, 'inverted(rate_bits=8)'")
    add("--dropout-rates", metavar="A,B", help="drop rates")
    add("--dropout-dtypes", metavar="A,B", help="types it is fed")
    add("--dropout-checks", metavar="A,B", help="only these check ids or patterns")
    add("--dropout-resolution", metavar="R", type=float, help="in standard deviations of a unit")
    add("--dropout-false-alarm", metavar="P", type=float, help="total chance to fail correct code")
    add("--dropout-max-seconds", metavar="S", type=float, help="time for sampling")
    add("--dropout-seed", metavar="N", type=int, help="seed of the run; fresh by default")


def pytest_configure(config: pytest.Config) -> None:
    """Choose the seed where there is one process: workers get theirs from it."""
    if not config.getoption("--dropout-target"):
        return
    import secrets

    handed = getattr(config, "workerinput", {}).get(_SESSION_SEED)
    chosen = config.getoption("--dropout-seed")
    seed = chosen if chosen is not None else handed
    config.stash[_SEED] = secrets.randbits(48) if seed is None else seed
    if handed is None:  # here a usage error is one line; in a worker it would go unseen
        config.stash[_CASES] = cases = _plan(config)
        config.pluginmanager.register(_Summary(cases[0].session), f"{_COLLECTOR}-summary")


_SEED = pytest.StashKey[int]()
_CASES = pytest.StashKey["tuple[BoundCase, ...]"]()
_FAILED = pytest.StashKey["dict[int, Session]"]()
_SAID = pytest.StashKey["dict[str, None]"]()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Hand the seed to a worker of pytest-xdist, so that all workers plan the same run."""
    if _SEED in node.config.stash:
        node.workerinput[_SESSION_SEED] = node.config.stash[_SEED]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: Any, log: Any) -> Any:
    """Give all cases of a configuration to one worker of pytest-xdist.

    They read one stream. Drawn by two workers it would get two chances to accuse a correct target.
    """
    if not config.getoption("--dropout-target"):
        return None
    from xdist.scheduler import LoadScopeScheduling

    class LoadStreamScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist is untyped
        def _split_scope(self, nodeid: str) -> str:
            return nodeid.rpartition("[")[2] if _COLLECTOR in nodeid else nodeid

    return LoadStreamScheduling(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Add the cases before `-k` and `-m` select among the items."""
    if not config.getoption("--dropout-target"):
        return
    cases = config.stash.setdefault(_CASES, ()) or _plan(config)
    config.stash[_CASES] = cases
    parent = DropoutCollector.from_parent(session, name=_COLLECTOR)
    items += [DropoutItem.from_parent(parent, name=case.id, case=case) for case in cases]


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say what is judged, and with which seed."""
    target = config.getoption("--dropout-target")
    if not target:
        return None
    return f"dropout-stats: target {target}, seed {config.stash[_SEED]}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach the answer to its report, which also comes from a worker of pytest-xdist."""
    report = yield
    if isinstance(item, DropoutItem) and call.when == "call":
        setattr(report, _ANSWER, item.case.answer())
    elif report.failed:
        item.config.stash.setdefault(_FAILED, {}).update(_runs_of(item))
    return report


def _runs_of(item: pytest.Item) -> dict[int, Session]:
    """The runs that a test of `parametrize_checks` asks, by identity."""
    module = sys.modules.get("dropout_stats.parametrize")
    given = getattr(getattr(item, "callspec", None), "params", {}).values()
    cases = (value for value in given if module and isinstance(value, module.BoundCase))
    return {id(case.session): case.session for case in cases}


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand what this process found out to that which prints, if another one does."""
    said = _diagnoses(session.config)
    output = getattr(session.config, "workeroutput", None)
    if output is None:
        session.config.stash.setdefault(_SAID, {}).update(said)
    else:
        output[_COLLECTOR] = list(said)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what a worker of pytest-xdist found out."""
    said = getattr(node, "workeroutput", {}).get(_COLLECTOR, ())
    node.config.stash.setdefault(_SAID, {}).update(dict.fromkeys(said))


def _diagnoses(config: pytest.Config) -> dict[str, None]:
    """What is wrong with the targets of `parametrize_checks`, by all their cases that ran."""
    reports = [session.report() for session in config.stash.get(_FAILED, {}).values()]
    return dict.fromkeys(
        "\n".join([f"{report.target}:", *(line for one in report.diagnoses for line in one.lines)])
        for report in reports
        if report.diagnoses
    )


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the diagnoses of the targets in test files."""
    said = config.stash.get(_SAID, {})
    if said:
        terminalreporter.section(_COLLECTOR)
    for text in said:
        terminalreporter.line(text)


class _Summary:
    """Gathers the answers of all processes, and says at the end what they mean together."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._answered = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the answer over, whichever process gave it."""
        answer = getattr(report, _ANSWER, None)
        if answer is not None:
            self._session.adopt(answer)
            self._answered = True

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail the session for an expectation of several cases of which none failed."""
        if self._answered and session.exitstatus == pytest.ExitCode.OK and self._out_of_date():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _out_of_date(self) -> tuple[str, ...]:
        """What is said of expectations that the run as a whole shows to be out of date."""
        unexpected = self._session.report().unexpected_passes
        return tuple(dict.fromkeys(result.message for result in unexpected))

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print expectations that are out of date, diagnoses and observations."""
        if not self._answered:
            return
        report = self._session.report()
        unexpected = self._out_of_date()
        if not (report.diagnoses or report.observations or unexpected):
            return
        terminalreporter.section(_COLLECTOR)
        for message in unexpected:
            terminalreporter.line(f"unexpected pass: {message}", red=True)
        for line in (line for diagnosis in report.diagnoses for line in diagnosis.lines):
            terminalreporter.line(line)
        for observation in report.observations:
            terminalreporter.line(f"observed: {observation}")


class DropoutCollector(pytest.Collector):
    """The parent of the cases: stands where a test file would."""

    def collect(self) -> Iterable[pytest.Item]:
        """Nothing to collect: the items are made from the plan."""
        return []


class DropoutItem(pytest.Item):
    """One case of the plan."""

    def __init__(self, *, case: BoundCase, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.case = case

    def runtest(self) -> None:
        """Ask for the result of this case."""
        self.case.check()

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show the failure text: a traceback through this library helps nobody."""
        if isinstance(excinfo.value, AssertionError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Name the case in reports."""
        return self.config.rootpath, None, f"dropout-stats: {self.name}"


def _plan(config: pytest.Config) -> tuple[BoundCase, ...]:
    from dropout_stats.errors import DropoutStatsError
    from dropout_stats.parametrize import bound_cases
    from dropout_stats.settings import merged, read_settings

    target = config.getoption("--dropout-target")
    try:
        options = merged(read_settings(config.rootpath), _given(config))
        return bound_cases(target, **options)
    except (DropoutStatsError, ValueError) as error:
        raise pytest.UsageError(f"--dropout-target {target}: {error}") from error


def _given(config: pytest.Config) -> dict[str, Any]:
    option = config.getoption
    return {
        "law": option("--dropout-law"),
        "rates": _split(option("--dropout-rates"), float),
        "dtypes": _split(option("--dropout-dtypes"), str),
        "checks": _split(option("--dropout-checks"), str),
        "resolution": option("--dropout-resolution"),
        "false_alarm": option("--dropout-false-alarm"),
        "max_seconds": option("--dropout-max-seconds"),
        "seed": config.stash[_SEED],
    }


def _split(text: str | None, of: type) -> tuple[Any, ...] | None:
    return None if text is None else tuple(of(part.strip()) for part in text.split(","))
