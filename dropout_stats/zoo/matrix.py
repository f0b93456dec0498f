"""The kill matrix: every specimen is judged, and held to what is known of it beforehand."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, Unpack

from dropout_stats.api import check
from dropout_stats.options import Options
from dropout_stats.report.model import Report
from dropout_stats.results import Verdict
from dropout_stats.zoo.specimen import Specimen

RATES = (0.1, 0.3, 0.9)

Outcome: TypeAlias = Literal["killed", "survived", "spared", "accused"]
_EXPECTED: tuple[Outcome, ...] = ("killed", "spared")


@dataclass(frozen=True)
class Row:
    """What became of one specimen.

    Args:
        specimen: the specimen.
        verdict: the verdict of its report.
        failed: ids of the checks that failed.
        broken: ids of the checks that broke themselves.
        diagnosis: name of the first diagnosis; None if there was none.
        seconds: how long it took.

    """

    specimen: Specimen
    verdict: Verdict
    failed: tuple[str, ...]
    broken: tuple[str, ...]
    diagnosis: str | None
    seconds: float

    @property
    def outcome(self) -> Outcome:
        """Whether the named check killed it; for a correct one, whether nothing accused it."""
        killer = self.specimen.killed_by
        if killer is None:
            return "spared" if self.verdict == "pass" else "accused"
        return "killed" if killer in self.failed else "survived"

    @property
    def is_as_expected(self) -> bool:
        """Whether it was killed or spared as it should be, by checks that work."""
        return self.outcome in _EXPECTED and not self.broken

    @property
    def is_named(self) -> bool:
        """Whether the first diagnosis is the one that it should get, which a wrong one must say."""
        if self.specimen.is_wrong and self.specimen.diagnosis is None:
            return False
        return self.diagnosis == self.specimen.diagnosis


def matrix(
    specimens: Iterable[Specimen],
    *,
    resolution: float | None = None,
    rates: Sequence[float] = RATES,
    seed: int | None = None,
) -> Iterator[Row]:
    """Judge the specimens one after the other.

    Args:
        specimens: those to judge.
        resolution: what `check` resolves; by default what each specimen says that it needs.
        rates: drop rates, where a specimen has none of its own. Without asymmetric ones some faults
            cannot be seen.
        seed: seed of every run; fresh by default.

    """
    for specimen in specimens:
        own = resolution or specimen.resolution
        yield row_of(specimen, judge(specimen, resolution=own, rates=rates, seed=seed))


def judge(specimen: Specimen, **options: Unpack[Options]) -> Report:
    """Judge one specimen as the matrix does, but for the options that are given."""
    asked: Options = {"rates": RATES, "resolution": specimen.resolution}
    asked.update(options)
    if specimen.fixed_rates:
        asked["rates"] = specimen.fixed_rates
    return check(specimen.build(), **asked)


def tally(rows: Iterable[Row]) -> dict[Outcome, int]:
    """How many specimens have each outcome."""
    return dict(Counter(row.outcome for row in rows))


def to_json(rows: Sequence[Row]) -> str:
    """Return the matrix as JSON."""
    values = {
        "format": "dropout_stats zoo",
        "rows": [_values(row) for row in rows],
        "totals": tally(rows),
    }
    return json.dumps(values, indent=1) + "\n"


def row_of(specimen: Specimen, report: Report) -> Row:
    """What became of a specimen, from its report."""

    def of(verdict: Verdict) -> tuple[str, ...]:
        return tuple(dict.fromkeys(r.check for r in report.results if r.verdict == verdict))

    first = report.diagnoses[0].name if report.diagnoses else None
    return Row(specimen, report.verdict, of("fail"), of("error"), first, report.seconds)


def _values(row: Row) -> dict[str, object]:
    specimen = row.specimen
    return {
        "name": specimen.name,
        "fault": specimen.fault,
        "threads": specimen.threads,
        "killed_by": specimen.killed_by,
        "outcome": row.outcome,
        "verdict": row.verdict,
        "failed": row.failed,
        "broken": row.broken,
        "diagnosis": row.diagnosis,
        "expected_diagnosis": specimen.diagnosis,
        "seconds": row.seconds,
    }
