"""Causes that failed checks name by themselves, roots before what follows from them.

A cause is there where one of its checks failed. It explains other failures away: those say the
same thing in other words, or cannot be judged before this one is repaired.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from dropout_stats.diagnose.accounting import Named
from dropout_stats.diagnose.failures import Failures
from dropout_stats.results import Diagnosis


@dataclass(frozen=True)
class Cause:
    """One cause.

    Args:
        checks: ids or patterns of the checks whose failure it is.
        diagnosis: what to say of it.
        explains: ids or patterns of checks that need no cause of their own beside it.
        says: words of which the message of the failure must hold one; () for any message.
        follows: ids or patterns of checks that it makes fail, where they have no other cause.

    """

    checks: tuple[str, ...]
    diagnosis: Diagnosis
    explains: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    follows: tuple[str, ...] = ()

    def is_there(self, failures: Failures, gone: set[str]) -> bool:
        """Whether one of its checks failed, and nothing before explained that."""
        return any(
            _matches(check, self.checks) and failures.say(check, self.says)
            for check in failures.checks - gone
        )


_NO_FACTOR = ("They have no common factor",)
_COUNTED = ("position.*", "dependence.*", "input.*", "calls.*", "peers.*")
_BY_DRAWS = ("rate.marginal", "moments.*", "randomness.*", "dependence.*", "calls.*")
_SHARED = (
    "dependence.lag",
    "dependence.all_lags",
    "dependence.axes",
    "dependence.patterns",
    "dependence.row_dispersion",
    "calls.count_dispersion",
)


def _cause(
    checks: Sequence[str],
    name: str,
    explanation: str,
    fix: str,
    *,
    explains: Sequence[str] = (),
    says: Sequence[str] = (),
    follows: Sequence[str] = (),
) -> Cause:
    diagnosis = Diagnosis(name, explanation, fix)
    return Cause(tuple(checks), diagnosis, tuple(explains), tuple(says), tuple(follows))


# Contexts of which the strongest is the root: the others see its shadow.
POSITION = _cause(
    ["position.*"],
    "the keep probability depends on the position",
    "some places of a call are kept more often than others: the end of a loop, the tail of a "
    "block, a lane, a row or a column is treated otherwise",
    "draw and compare in the same way at every index; look at loop ends, block sizes and axes",
    explains=[*_COUNTED, "randomness.*"],
)
DEPENDENCE = _cause(
    [*_SHARED],
    "units do not draw independently",
    "a unit's draw tells something of another's: units share a draw, a generator repeats within "
    "a call, or the number of kept units is held fixed",
    "draw one number for each unit; check the shape of the mask and that it is not broadcast. If "
    "elements of a channel, a sample or an axis are meant to share one draw, declare it: "
    "laws.Inverted(unit='channel')",
    explains=[*_COUNTED, "randomness.*"],
)
INPUT = _cause(
    ["input.class"],
    "the mask depends on the input",
    "a unit is kept more or less often depending on the sign or the size of its input, or where "
    "it is 0",
    "draw the mask from noise alone, without looking at the values that it multiplies",
    explains=_COUNTED,
)
REUSE = _cause(
    ["calls.previous", "calls.overlap"],
    "calls reuse the draws of earlier calls",
    "a mask holds draws of the calls before it, at the same place or shifted",
    "advance the generator, or its counter, by as many numbers as a call draws",
    explains=[*_COUNTED, "randomness.*"],
)
DRIFT = _cause(
    ["calls.drift"],
    "the rate drifts over the calls",
    "the share of kept units is not the same throughout the run",
    "use the rate as it is given in each call; if it is scheduled, judge it at one step",
    explains=_COUNTED,
)
REPEATED = _cause(
    ["calls.repeated_mask"],
    "the same mask comes back",
    "calls return masks that earlier calls returned: the seed is constant, the generator is not "
    "advanced, or the mask is cached",
    "draw from one generator that lives across calls; never seed inside the call",
    explains=[*_COUNTED, "randomness.*"],
)

CONTEXTS = (REPEATED, POSITION, DEPENDENCE, INPUT, REUSE, DRIFT)

# Where units are torn, their counts are no counts of draws.
TORN = _cause(
    ["support.shared_draw"],
    "units share their draws otherwise than declared",
    "elements that the law says share one draw are kept and dropped apart: the mask is drawn "
    "for each element, or along other axes",
    "draw a mask that is 1 long along the axes that share a draw, and broadcast it; or declare "
    "the unit that is meant: laws.Inverted(unit=...)",
    explains=["rate.*", "moments.*", "structure.*", *_COUNTED, "gradient.at_zero"],
)

OTHERS: tuple[Cause, ...] = (
    _cause(
        ["dependence.survivors"],
        "one unit always survives",
        "calls in which everything is dropped are rarer than independent units make them",
        "let the mask be empty where the draws say so",
    ),
    _cause(
        ["peers.*"],
        "peers draw the same noise",
        "layers, workers, lanes or ranks that run side by side have the same draws",
        "give each peer a seed of its own: fold its number into it, or split the key",
    ),
    _cause(
        ["support.kept_value", "structure.layouts"],
        "values end up in other places",
        "outputs are kept values of other units: the mask is right, the addresses are not",
        "respect the strides of the input; do not mix flat and shaped indices",
        says=["the kept value of another unit"],
        explains=["structure.*", "limits.rate_zero", "support.*", "precision.*"],
        follows=["gradient.forward"],
    ),
    _cause(
        ["support.kept_value", "precision.values"],
        "kept values are rounded",
        "kept values are nearly right, but off by more than the rounding of their type",
        "scale in the type of the input, or wider",
        says=["off by rounding"],
        explains=["gradient.*", "structure.*", "moments.*", "precision.*"],
        follows=["support.*"],
    ),
    _cause(
        ["interface.shape"],
        "an axis is lost",
        "the output has another shape than the input, in some ranks",
        "do not squeeze, flatten or broadcast; return the shape that was given",
        explains=["structure.*", "interface.*", "gradient.*"],
    ),
    _cause(
        ["interface.dtype", "interface.numpy_rate"],
        "the type is promoted",
        "the output has another type than the input: the scale was computed in a wider one",
        "make the scale a number of the type of the input",
        explains=["structure.*"],
        follows=["precision.*"],
    ),
    _cause(
        ["interface.input_unchanged"],
        "the input is overwritten",
        "the caller's input is changed by the call",
        "write the result into a new array",
        explains=["structure.*"],
    ),
    _cause(
        ["interface.invalid_rate"],
        "accepting any rate",
        "rates outside the domain are taken without a word",
        "raise an error for rates outside [0, 1] and for NaN",
    ),
    _cause(
        ["limits.rate_zero"],
        "dropping at rate 0",
        "units are dropped, or changed, at rate 0",
        "return early at rate 0, or keep where uniform >= rate with uniforms in [0, 1)",
        explains=["structure.rates"],
    ),
    _cause(
        ["limits.rate_one"],
        "0 times infinity at rate 1",
        "1/(1 - rate) is infinite at rate 1, and 0 times infinity is NaN",
        "return zeros at rate 1",
        says=["NaN"],
        explains=["structure.rates"],
    ),
    _cause(
        ["structure.shapes", "structure.layouts"],
        "wrong for some shapes",
        "ordinary calls are right; others, of another shape or layout, are not",
        "look at the code path that these shapes take",
        explains=["structure.*"],
        follows=["support.*", "precision.*", "interface.*"],
    ),
    _cause(
        ["structure.rates"],
        "wrong at some rates",
        "the rates of the counted checks are right; others in the domain are not",
        "look for special cases, rounding and clipping of the rate",
        explains=["structure.*"],
    ),
    _cause(
        ["structure.values"],
        "0 times infinity",
        "a dropped infinity or NaN does not become 0, though that is declared",
        "select (`where`) instead of multiplying by the mask",
        says=["became nan", "though a dropped NaN was declared"],
    ),
    _cause(
        ["structure.values"],
        "unusual values are changed",
        "ordinary inputs are right; zeros, NaN, infinities, subnormal or very large ones are not",
        "scale or drop every value as it is; do not clean, clip or replace any",
    ),
    _cause(
        ["support.returned_mask"],
        "the returned mask is not the mask that was applied",
        "the mask beside the output says something else than the output does",
        "return the keep mask that was applied: true where the unit was kept",
    ),
    _cause(
        ["inference.deterministic"],
        "evaluation draws noise",
        "two evaluation passes of the same input differ, though they do not drop units",
        "evaluate without drawing anything",
        explains=["gradient.evaluation"],
        follows=["inference.law"],
    ),
    _cause(
        ["gradient.dropped_is_zero"],
        "the backward pass does not apply the mask",
        "dropped units receive a gradient, as if the forward pass had kept them",
        "keep the mask of the forward pass and multiply dy by it",
        follows=["gradient.same_noise"],
    ),
    _cause(
        ["gradient.same_noise"],
        "the backward pass disagrees with its forward pass",
        "the gradient of kept units is not dy times output/input: another mask, or another scale",
        "multiply dy by the mask and the scale of the same forward pass",
        follows=["gradient.dropped_is_zero"],
    ),
    _cause(
        ["structure.frequencies"],
        "another rate in calls of another shape",
        "in usual calls the share of kept units is right, in others it is not: their number of "
        "dimensions, or their size, selects another path",
        "draw and compare in the same way whatever the shape",
        follows=["structure.shapes"],
    ),
    _cause(
        ["gradient.noise"],
        "a differentiated pass draws otherwise than a training pass",
        "under differentiation the rate, the seed or the freshness of the masks is another one: "
        "the two run different code",
        "draw in one place for both, or let the differentiated pass call the training pass",
    ),
    _cause(
        ["gradient.ends"],
        "the gradient is wrong where nothing, or everything, is dropped",
        "a pass that returns early leaves the mask of an earlier one behind, or 0 times infinity "
        "gives NaN",
        "keep the mask of the pass that is differentiated, also where it drops nothing",
    ),
    _cause(
        ["gradient.forward"],
        "a differentiated pass is not the training pass",
        "outputs that are lawful without differentiation are not lawful under it: the two run "
        "different code",
        "let the differentiated pass return what the training pass returns",
    ),
    Cause(
        ("gradient.at_zero",),
        INPUT.diagnosis,
        explains=("gradient.at_zero",),
        says=("the mask depends on the values",),
    ),
    _cause(
        ["gradient.at_zero"],
        "the backward pass infers the mask from values",
        "the gradient follows the mask where the input is not 0, and does not where it is 0: "
        "output != 0 was taken for the mask",
        "keep the mask of the forward pass, or the seed to draw it again",
    ),
    _cause(
        ["gradient.linear"],
        "the gradient is not linear in dy",
        "units are multiplied by different factors, depending on the size or sign of dy",
        "multiply dy by mask and scale, in the type of dy, and by nothing else",
    ),
    _cause(
        ["gradient.dy_unchanged"],
        "the backward pass writes into the gradient that it is handed",
        "dy is different after the call, so every other branch that receives it goes wrong",
        "write dy * mask * scale into a new array",
    ),
    _cause(
        ["gradient.evaluation"],
        "the mode does not reach the backward pass",
        "evaluation is differentiated as if it were training, or with another scale",
        "multiply dy by 1 (inverted) or by 1 - rate (test-scaled) in evaluation",
    ),
    _cause(
        ["randomness.fresh"],
        "something sets the generator back",
        "a mask comes back after a call of another kind, though calls in a row draw new masks",
        "draw from one generator that lives across calls; never seed inside a call",
    ),
    _cause(
        ["randomness.seed_repeats"],
        "the seed does not determine the noise",
        "the same seed or key gave other masks the second time: they depend on something else",
        "draw only from a generator that the seed sets, each unit by its place, not by the "
        "thread that works on it",
    ),
    _cause(
        ["randomness.seeds_differ"],
        "the seed is a place in one sequence",
        "the masks of a seed are those of its neighbour from a later unit on",
        "make a sequence of its own of each seed; do not add the seed to a counter",
        says=["is a place in one sequence"],
    ),
    _cause(
        ["randomness.seeds_differ"],
        "the seed is cut short",
        "different seeds or keys give the same mask",
        "use every bit of it",
    ),
    _cause(
        ["randomness.seed_is_read"],
        "the seed is read once",
        "a change of the seed or key has no effect, or none that can be undone",
        "make the generator anew whenever the seed is set",
    ),
    _cause(
        ["randomness.host_generators"],
        "a generator of the whole program is touched",
        "a call changes the state of a global generator that it has no business with",
        "draw from a generator of your own, and never seed a global one in a call",
    ),
    _cause(
        ["randomness.idle"],
        "randomness is used up where nothing is dropped",
        "evaluation, or training at rate 0, advances the generator, though none is declared to",
        "return before anything is drawn",
    ),
    _cause(
        ["randomness.threads"],
        "threads draw the same noise",
        "calls that run at the same time in several threads return the same masks",
        "give each thread a stream of its own, or draw under a lock",
    ),
    _cause(
        ["randomness.forks"],
        "forked processes draw the same noise",
        "a child process goes on from a copy of its parent's generator",
        "reseed after a fork, or derive the seed from the number of the worker",
    ),
    _cause(
        ["support.kept_value"],
        "kept values have no common factor",
        "kept units of one call are multiplied by different factors, or by one of either sign: "
        "the mask is not one of zeros and ones, or the scale depends on the place or on the value",
        "multiply by a mask of zeros and ones and by one scale",
        says=_NO_FACTOR,
        follows=["rate.marginal", "structure.*", "precision.*", "gradient.*"],
    ),
)


def name_causes(failures: Failures) -> list[Named]:
    """The causes of the failures, roots first, each without what it explains."""
    found: list[Named] = []
    gone = _explained_by_exact(failures)
    for cause in (TORN, *_strongest(failures), *OTHERS):
        if cause.is_there(failures, gone):
            found.append(_named(cause))
            own = {check for check in failures.checks if _matches(check, cause.checks)}
            gone |= {c for c in failures.checks - own if _matches(c, cause.explains)}
    return found


def _named(cause: Cause) -> Named:
    follows = _BY_DRAWS if cause in CONTEXTS else cause.follows
    return Named(cause.diagnosis, (*cause.checks, *cause.explains), follows)


def blames_draws(failures: Failures) -> bool:
    """Whether it is shown that the draws are wrong in another way than by their rate."""
    return any(_matches(check, (*TORN.checks, *_COUNTED)) for check in failures.checks)


def _strongest(failures: Failures) -> list[Cause]:
    """The contexts, that which predicts the masks best first.

    A drift shows late, when the count that varies with it has been decided: alone with that, it
    leads. So do masks that come back, unless the count of new ones varies too much: then they are
    few because their units share draws.
    """
    varies = "calls.count_dispersion" in failures.checks
    others = {c for c in failures.checks if _matches(c, _COUNTED)} - set(DRIFT.checks)
    leads = {id(REPEATED): not varies, id(DRIFT): others <= {"calls.count_dispersion"}}
    return sorted(
        CONTEXTS,
        key=lambda cause: (leads.get(id(cause), False), failures.strength(cause.checks)),
        reverse=True,
    )


def _explained_by_exact(failures: Failures) -> set[str]:
    """What exact failures explain away before anything is named."""
    gone: set[str] = set()
    if "support.kept_value" in failures.checks:
        gone.add("gradient.forward")
        if failures.say("support.kept_value", _NO_FACTOR):
            gone.add("gradient.linear")
    if any(failures.in_usual_calls(c) for c in ("support.kept_value", "rate.marginal")):
        # Then generated calls are wrong as well.
        gone |= {c for c in failures.checks if _matches(c, ("structure.*", "precision.*"))}
    if failures.in_usual_calls("rate.marginal"):
        # Masks of another keep probability may agree by chance, though lawful ones do not.
        gone |= {c for c in failures.checks if _matches(c, ("randomness.*",))}
    if {"inference.law", "inference.deterministic"} & failures.checks:
        gone.add("randomness.idle")
    if {"gradient.same_noise", "gradient.dropped_is_zero"} <= failures.checks:
        # One wrong factor everywhere is a backward pass without a mask; else it has another one.
        gone.add(
            "gradient.same_noise"
            if failures.all_have_estimates("gradient.same_noise")
            else "gradient.dropped_is_zero"
        )
    return gone


def _matches(check: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(check, pattern) for pattern in patterns)
