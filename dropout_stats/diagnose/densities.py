"""What is wrong with noise that has a density: its mean, its strength, its shape."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dropout_stats.diagnose.accounting import Named
from dropout_stats.diagnose.failures import Failures
from dropout_stats.laws import (
    AnyLaw,
    GaussianAdditive,
    GaussianMultiplicative,
    UniformMultiplicative,
)
from dropout_stats.results import Diagnosis, Result

_ROUGHLY = 0.01  # of a deviation, beside what chance makes of it
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
    found = []
    if "noise.support" in failed:
        # Uniform noise of another mean leaves its bounds; of another shape alone it stays centred.
        shifted = isinstance(law, UniformMultiplicative) and "moments.mean" in failed
        named = _MEAN if shifted else _SHAPE
        found.append(Named(named, (*_READINGS, "gradient.forward"), ()))
    elif "noise.size" in failed:
        size = _MULTIPLIED if isinstance(law, GaussianAdditive) else _ADDED
        found.append(Named(size, (*_READINGS, "gradient.same_noise", "structure.values"), ()))
    elif "moments.variance" in failed:
        found.append(Named(_strength(results, law), _READINGS, ()))
    elif "moments.mean" in failed:
        found.append(Named(_MEAN, _READINGS, ()))
    elif "noise.shape" in failed:
        found.append(Named(_SHAPE, ("noise.shape",), ()))
    if "inference.law" in failed and "inference.deterministic" not in failed:
        takes = ("inference.law", "moments.noise_mean", "gradient.evaluation")
        found.append(Named(_SCALES, takes, ()))
    return found


def _strength(results: Sequence[Result], law: AnyLaw) -> Diagnosis:
    """The wrong variance that fits at all rates; no name where none does."""
    seen = [
        (result.case.rate, result.evidence.estimate, result.evidence.units)
        for result in results
        if result.check == "moments.variance" and result.evidence and result.case.rate
    ]
    if not isinstance(law, GaussianMultiplicative):
        return _STRENGTH  # scores of other laws are not in proportion to the deviation
    for strength in _STRENGTHS:
        if all(_fits(strength, law, *one) for one in seen):
            return Diagnosis(strength.name, strength.explanation, _STRENGTH.fix)
    return _STRENGTH


def _fits(
    strength: _Strength, law: AnyLaw, rate: float | None, estimate: float | None, units: int
) -> bool:
    if rate is None or estimate is None or not units:
        return False
    expected = math.sqrt(strength.variance(rate) / law.variance(rate))
    return abs(estimate / expected - 1) <= _ROUGHLY + 5 / math.sqrt(2 * units)
