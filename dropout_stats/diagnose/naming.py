"""From failed checks to the causes that name them, and what each explains away."""

from __future__ import annotations

from dropout_stats.diagnose.accounting import Named
from dropout_stats.diagnose.cause import Cause, matches
from dropout_stats.diagnose.causes import COUNT, FACTORS, OTHERS, TORN
from dropout_stats.diagnose.contexts import CONTEXTS, COUNTED, DRIFT, REPEATED
from dropout_stats.diagnose.failures import Failures
from dropout_stats.results import Symptom

# Their estimate is the share of units that copy another.
_COPIES = ("dependence.lag", "dependence.all_lags", "dependence.axes")
# Of kept values that are no multiples of their inputs by one factor.
_UNSCALED: tuple[Symptom, ...] = (
    "no common factor",
    "off by rounding",
    "the kept value of another unit",
    "NaN",
)
_BY_DRAWS = (
    *("rate.marginal", "moments.*", "noise.*", "randomness.*", "dependence.*", "calls.*"),
    *("structure.*", "precision.*"),
)


def name_causes(failures: Failures) -> list[Named]:
    """The causes of the failures, roots first, each without what it explains."""
    found: list[Named] = []
    gone = _explained_by_exact(failures)
    order = [TORN, COUNT, *_strongest(failures), *OTHERS]
    # Values that are no multiples of a mask tear units; else they may come of many things.
    order.insert(0 if set(TORN.checks) & failures.checks else len(order), FACTORS)
    for cause in order:
        if cause.is_there(failures, gone):
            found.append(_named(cause))
            own = {check for check in failures.checks if matches(check, cause.checks)}
            gone |= {c for c in failures.checks - own if matches(c, cause.explains)}
    return found


def _named(cause: Cause) -> Named:
    follows = _BY_DRAWS if cause in CONTEXTS else cause.follows
    return Named(cause.diagnosis, (*cause.checks, *cause.explains), follows)


def blames_draws(failures: Failures) -> bool:
    """Whether it is shown that the draws are wrong in another way than by their rate."""
    return any(matches(check, (*TORN.checks, *COUNTED)) for check in failures.checks)


def _strongest(failures: Failures) -> list[Cause]:
    """The contexts, that which predicts the masks best first.

    A drift shows late, when the count that varies with it has been decided: alone with that, it
    leads. Where units are copies of others in the same call, it is their shadow. Masks that come
    back lead, too, unless the count of new ones varies too much, or copies in one call are clearer:
    then they are few because their units share draws.
    """
    copied = failures.strength(_COPIES) > failures.strength(REPEATED.checks)
    few = "calls.count_dispersion" in failures.checks or copied
    others = {c for c in failures.checks if matches(c, COUNTED)} - set(DRIFT.checks)
    leads = {id(REPEATED): not few, id(DRIFT): others <= {"calls.count_dispersion"}}
    shadow = DRIFT if 1.0 in failures.estimates(_COPIES) else None

    def place(cause: Cause) -> tuple[bool, float]:
        strength = 0.0 if cause is shadow else failures.strength(cause.checks)
        return leads.get(id(cause), False), strength

    return sorted(CONTEXTS, key=place, reverse=True)


def _explained_by_exact(failures: Failures) -> set[str]:
    """What exact failures explain away before anything is named."""
    gone: set[str] = set()
    if "support.kept_value" in failures.checks:
        gone.add("gradient.forward")
        if failures.look("support.kept_value", ["no common factor"]):
            gone.add("gradient.linear")
        scaled = not (blames_draws(failures) or failures.look("support.kept_value", _UNSCALED))
        if scaled and failures.estimates(["limits.rate_zero"]) == {0.0}:
            gone.add("limits.rate_zero")  # nothing was dropped there, only scaled
    if any(failures.in_usual_calls(c) for c in ("support.kept_value", "rate.marginal")):
        # Then generated calls, and those at other steps, are wrong as well.
        others = ("structure.*", "precision.*", "rate.steps")
        gone |= {c for c in failures.checks if matches(c, others)}
    if failures.in_usual_calls("rate.marginal"):
        # Masks of another keep probability may agree by chance, though lawful ones do not; and
        # whatever is behind them has another mean.
        gone |= {c for c in failures.checks if matches(c, ("randomness.*", "gap.*"))}
    if "inference.deterministic" in failures.checks:
        gone.add("randomness.idle")
    if {"gradient.same_noise", "gradient.dropped_is_zero"} <= failures.checks:
        # One wrong factor everywhere is a backward pass without a mask; else it has another one.
        gone.add(
            "gradient.same_noise"
            if failures.all_have_estimates("gradient.same_noise")
            else "gradient.dropped_is_zero"
        )
    return gone
