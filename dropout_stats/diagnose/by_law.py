"""Diagnoses that make sense under one law alone, and go before what others would say."""

from __future__ import annotations

from dropout_stats.diagnose.accounting import Named
from dropout_stats.diagnose.causes import TORN
from dropout_stats.diagnose.failures import Failures
from dropout_stats.laws import Alpha, AnyLaw, DropBlock, ExactCount
from dropout_stats.results import Diagnosis, Symptom

_CONSTANTS = Diagnosis(
    "the constants of alpha dropout are wrong",
    "outputs are neither a x + b, as of kept units, nor a s + b, as of dropped ones",
    "s = -1.7580993408473766, a = ((1 - rate) (1 + rate s^2))^(-1/2) and b = -a rate s, with the "
    "rate as the probability to drop",
)
_DENSITY = Diagnosis(
    "blocks start with another probability than declared",
    "whole blocks are dropped, but too often or too rarely, which shows more in the middle of a "
    "call than at its edges",
    "let a block start with probability rate / block_size^d, d being the number of axes that have "
    "blocks; under density='edges' times L / (L - block_size + 1) for each of their lengths L",
)
_SHARE = Diagnosis(
    "kept units are not scaled by the share that was kept",
    "the law is declared with normalised=True: where k of n elements of a call are kept, they are "
    "multiplied by n / k, which differs from call to call where k does",
    "count the kept elements of the whole call; or declare normalised=False for 1 / (1 - rate)",
)
# What fails where a share of kept units, or a kept value, is wrong.
BY_KEEP = ("rate.marginal", "support.count", "moments.*", "gap.*")
BY_KEPT = (
    "support.kept_value",
    "moments.*",
    "gap.*",
    "structure.*",
    "precision.*",
    "gradient.forward",
)
BY_EVALUATION = ("inference.*", "moments.noise_mean", "gap.*", "gradient.evaluation")
# Other calls that are wrong with them: at the ends of the rate, generated ones, seeded ones.
ELSEWHERE = ("limits.*", "structure.*", "precision.*", "randomness.*", "rate.steps")
# A factor that differs from call to call, by little or by much.
_OF_CALLS: tuple[Symptom, ...] = ("off by rounding", "no common factor")


def name_of_law(law: AnyLaw, failures: Failures) -> list[Named]:
    """What the law itself says of the failures."""
    kept_value = "support.kept_value" in failures.checks
    if isinstance(law, Alpha) and kept_value:
        return [Named(_CONSTANTS, (*BY_KEEP, *BY_KEPT), ELSEWHERE)]
    if not isinstance(law, (DropBlock, ExactCount)) or set(TORN.checks) & failures.checks:
        return []
    # A share that is the same in all calls has a common factor, whatever that is.
    of_calls = law.fixes_count or failures.look("support.kept_value", _OF_CALLS)
    if law.normalised and kept_value and of_calls:
        return [Named(_SHARE, BY_KEPT, ("gradient.*",))]
    if isinstance(law, DropBlock) and failures.in_usual_calls("rate.marginal"):
        return [Named(_DENSITY, (*BY_KEEP, "position.*"), ("calls.*", *BY_KEPT, *ELSEWHERE))]
    return []
