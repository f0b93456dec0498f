"""What is wrong with noise that has a density: its mean, its strength, its shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dropout_stats.diagnose.accounting import Named
from dropout_stats.diagnose.failures import Failures
from dropout_stats.laws import AnyLaw, GaussianAdditive
from dropout_stats.results import Diagnosis, Evidence, Result

_ROUGHLY = 0.02  # of a variance, beside what chance makes of it
_WELL_INSIDE = 1 / 3  # of an interval whose probability to be wrong is tiny
_MOMENTS = {"moments.mean", "moments.variance"}
_READINGS = ("noise.*", "moments.*")

_ADDED = Diagnosis(
    "noise is added that should be multiplied",
    "the noise has the same strength for small and for large inputs. At inputs of 1 the two are "
    "the same, so a test on ones cannot see it",
    "multiply the input by 1 + noise",
)
_MULTIPLIED = Diagnosis(
    "noise is multiplied that should be added",
    "the noise is stronger for large inputs than for small ones. At inputs of 1 the two are the "
    "same, so a test on ones cannot see it",
    "add the noise to the input",
)
_MEAN = Diagnosis(
    "the noise has another mean than declared",
    "multipliers must have mean 1, so that the training pass has the mean of the evaluation pass",
    "draw noise of mean 0 and add 1 to it, or divide by the mean",
)
_STRENGTH = Diagnosis(
    "the noise has another strength than declared",
    "the variance of a multiplier must be rate/(1 - rate)",
    "multiply standard noise by sqrt(rate/(1 - rate))",
)
_SHAPE = Diagnosis(
    "the noise has another shape than declared",
    "the distribution is another one than declared: bounded or not, truncated, coarse, or of "
    "another family",
    "draw from the declared distribution, or declare the one that is drawn from",
)
_SCALES = Diagnosis(
    "the evaluation pass scales",
    "multipliers have mean 1, so the evaluation pass must be the identity",
    "return the input unchanged in evaluation",
)


@dataclass(frozen=True)
class _Strength:
    """A wrong variance as a function of the rate."""

    name: str
    variance: Callable[[float], float]
    explanation: str


_STRENGTHS = (
    _Strength(
        "the variance is taken for the deviation",
        lambda rate: (rate / (1 - rate)) ** 2,
        "the deviation is rate/(1 - rate), which should be the variance. At rate 0.5 both are 1, "
        "so a test at 0.5 cannot see it",
    ),
    _Strength("the variance is the rate", lambda rate: rate, "the variance is rate"),
    _Strength(
        "keep probability and drop rate swapped in the variance",
        lambda rate: (1 - rate) / rate,
        "the variance is (1 - rate)/rate. At rate 0.5 the two are the same number, so a test at "
        "0.5 cannot see it",
    ),
    _Strength(
        "the deviation is the rate", lambda rate: rate**2, "the deviation is rate, as if declared"
    ),
    _Strength(
        "the variance is that of a mask",
        lambda rate: rate * (1 - rate),
        "the variance is rate (1 - rate), that of a mask which is not scaled",
    ),
)


def name_noise(results: Sequence[Result], law: AnyLaw, failures: Failures) -> list[Named]:
    """The causes that the checks of the noise show, roots first."""
    failed = failures.checks
    wrong = (*_READINGS, "gradient.forward")  # also where a moment alone leads out of the support
    found = []
    if "noise.size" in failed:
        size = _MULTIPLIED if isinstance(law, GaussianAdditive) else _ADDED
        found.append(Named(size, (*_READINGS, "gradient.same_noise", "structure.values"), ()))
    elif failed & _MOMENTS:
        # A mean that is wrong by a factor makes the variance wrong; not the other way about.
        of_moments = {"moments.mean": _MEAN, "moments.variance": _strength(results)}
        found += [Named(cause, wrong, ()) for check, cause in of_moments.items() if check in failed]
    elif failed & {"noise.support", "noise.shape", "noise.marginal"}:
        found.append(Named(_SHAPE, wrong, ()))
    if "inference.law" in failed and "inference.deterministic" not in failed:
        takes = ("inference.law", "moments.noise_mean", "gradient.evaluation")
        found.append(Named(_SCALES, takes, ()))
    return found


def _strength(results: Sequence[Result]) -> Diagnosis:
    """The wrong variance that fits at all rates; no name where none does."""
    seen = [
        (result.case.rate, result.evidence)
        for result in results
        if result.check == "moments.variance" and result.evidence and result.case.rate
    ]
    for strength in _STRENGTHS:
        if all(_fits(strength.variance(rate), evidence) for rate, evidence in seen):
            return Diagnosis(strength.name, strength.explanation, _STRENGTH.fix)
    return _STRENGTH


def _fits(variance: float, seen: Evidence) -> bool:
    """Whether a variance lies well inside of where the one that was seen does."""
    if seen.estimate is None or seen.low is None or seen.high is None:
        return False
    chance = (seen.high - seen.low) / 2 * _WELL_INSIDE
    return abs(variance - seen.estimate) <= _ROUGHLY * seen.estimate + chance
