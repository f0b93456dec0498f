"""Going through the targets of a survey, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Unpack

from dropout_stats import dtypes
from dropout_stats.adapters import adapt
from dropout_stats.api import BoundRun, bind, finish, versions
from dropout_stats.evidence.budget import split
from dropout_stats.options import Asked, Options, read_options
from dropout_stats.survey.known import Known, of_target, planned
from dropout_stats.survey.model import Row, Survey
from dropout_stats.survey.targets import RELEASED, Surveyed
from dropout_stats.target import Target

# What every target is asked alike; types and rates are those of them that it declares.
_COMMON = ("checks", "skip", "resolution", "false_alarm", "power", "max_seconds", "seed")


@dataclass(frozen=True)
class Course:
    """A survey before anything is drawn: its targets, and what each of them is asked.

    Args:
        targets: all of them.
        asked: the options of all runs; its error probability is that of the whole.
        known: what is known to fail.

    """

    targets: tuple[Surveyed, ...]
    asked: Asked
    known: tuple[Known, ...] = ()

    @property
    def dtypes(self) -> tuple[str, ...]:
        """The types of the table."""
        return self.asked.dtypes or dtypes.available()

    def rows(self) -> Iterator[Row]:
        """Judge each target that is installed, at an equal share of the error probability."""
        there = sum(not target.missing() for target in self.targets)
        share = split(self.asked.false_alarm, there).probability
        course = replace(self, asked=replace(self.asked, false_alarm=share))
        for target in self.targets:
            yield course.row(target)

    def row(self, target: Surveyed) -> Row:
        """Judge one target. What goes wrong there is its row, and no end of the survey."""
        missing = target.missing()
        row = Row(target.name, {} if missing else target.versions())
        if missing:
            return replace(row, left_out=f"not installed: {', '.join(missing)}")
        try:
            return self._judged(row, target)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a package does
            return replace(row, error=f"{type(error).__name__}: {error}")

    def _judged(self, row: Row, target: Surveyed) -> Row:
        bound = self._bound(adapt(target.spec, **target.options), target)
        if bound is None:
            return replace(row, left_out=f"declares none of {', '.join(self.dtypes)}")
        return replace(row, report=finish(bound, tuple(bound.results())))

    def _bound(self, adapted: Target, target: Surveyed) -> BoundRun | None:
        """The run, in the types and at the rates that the target declares; None without any."""
        declared = bind(adapted).plan.conventions
        types = tuple(name for name in self.dtypes if name in declared.dtypes)
        rates = tuple(filter(declared.allows, self.asked.rates)) or declared.rates
        if not types:
            return None
        common: dict[str, Any] = {name: getattr(self.asked, name) for name in _COMMON}
        options = common | {"dtypes": types, "rates": rates}
        cases = tuple(one.case for one in bind(adapted, **options).plan.cases)
        known = of_target(self.known, target, self.asked.resolution)
        return bind(adapted, **options, expected=planned(known, cases))

    def table(self, rows: Sequence[Row]) -> Survey:
        """Return the rows with what they have in common."""
        return Survey(
            rows=tuple(rows),
            dtypes=self.dtypes,
            rates=self.asked.rates,
            resolution=self.asked.resolution,
            false_alarm=self.asked.false_alarm,
            seed=self.asked.seed,
            versions=versions(),
        )


def survey(
    targets: Sequence[Surveyed] = RELEASED,
    known: Sequence[Known] = (),
    **options: Unpack[Options],
) -> Survey:
    """Judge released dropouts, or others.

    Args:
        targets: those to judge; one whose packages are not installed is left out.
        known: what is known to fail (`dropout_stats.survey.known.read_known`).
        **options: `rates`, `dtypes`, `checks`, `skip`, `resolution`, `false_alarm`, `power`,
            `max_seconds` and `seed` of `dropout_stats.check`. The error probability is that of the
            whole survey, and `max_seconds` that of one target.

    Raises:
        UsageError: an option makes no sense.

    """
    course = Course(tuple(targets), read_options(None, options), tuple(known))
    return course.table(list(course.rows()))
