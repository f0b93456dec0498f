"""What is wrong with noise of several values: a value, a probability, or the evaluation pass."""

from __future__ import annotations

from dropout_stats.diagnose.accounting import Named
from dropout_stats.diagnose.failures import Failures
from dropout_stats.results import Diagnosis

_VALUE = Diagnosis(
    "a multiplier is none of the declared values",
    "outputs show another factor than those that the atoms of the law name",
    "multiply by the declared values, or declare the value that is meant",
)
_CHANCES = Diagnosis(
    "values are taken with other probabilities than declared",
    "each multiplier is one of the declared values, but some are taken too often and others too "
    "rarely: a threshold that is compared with the wrong end, or a second draw among those that "
    "the first has left",
    "draw one uniform number for each unit and compare it with the sums of the probabilities",
)
_SCALES = Diagnosis(
    "the evaluation pass scales otherwise than declared",
    "the law declares another factor of the evaluation pass",
    "multiply by that factor in evaluation; where it is 1, return the input unchanged",
)


def name_values(failures: Failures) -> list[Named]:
    """The causes that the checks of the noise show, roots first."""
    failed = failures.checks
    found = []
    if "noise.support" in failed:
        of_value = ("noise.*", "moments.*", "structure.*", "gradient.forward")
        found.append(Named(_VALUE, of_value, ("gradient.*",)))
    elif failed & {"noise.values", "moments.mean", "moments.variance"}:
        found.append(Named(_CHANCES, ("noise.values", "moments.*"), ()))
    if "inference.law" in failed and "inference.deterministic" not in failed:
        takes = ("inference.law", "moments.noise_mean", "gradient.evaluation")
        found.append(Named(_SCALES, takes, ()))
    return found
