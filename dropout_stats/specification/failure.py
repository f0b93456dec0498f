"""What a failure looks like: a specimen of the zoo, judged by one check."""

from __future__ import annotations

from typing import NamedTuple

from dropout_stats import api, zoo
from dropout_stats.zoo.matrix import RATES
from dropout_stats.zoo.specimen import Specimen

_SEED = 2014
# Checks that no specimen is made for alone, each with one that breaks it beside others.
_SHOWN_BY = {
    "interface.degenerate": "LastColumnIsKept",
    "moments.noise_mean": "EvaluationForgetsTheScale",
}


class Failure(NamedTuple):
    """A failure text.

    Args:
        specimen: name of the specimen that fails so.
        text: the case and what was seen, as a report shows them.

    """

    specimen: str
    text: str


def failure(check: str) -> Failure:
    """Judge a specimen by the check, with a fixed seed; less than a second."""
    specimen = _specimen(check)
    report = api.check(
        specimen.build(),
        rates=specimen.fixed_rates or RATES,
        resolution=specimen.resolution,
        checks=(check,),
        seed=_SEED,
    )
    if report.failures:
        first = report.failures[0]
        return Failure(specimen.name, f"FAIL {first.case.id}\n{first.message}")
    # What is never held against a target is an observation.
    recorded = report.results[0].case.id
    return Failure(specimen.name, f"observed by {recorded}\n{report.observations[0]}")


def _specimen(check: str) -> Specimen:
    made_for_it = (specimen for specimen in zoo.WRONG if specimen.killed_by == check)
    return next(made_for_it, None) or zoo.by_name[_SHOWN_BY[check]]
