"""Is every output either zero or the kept value?"""

from __future__ import annotations

import math

from dropout_stats.checks.check import TWO_VALUED, StreamCheck
from dropout_stats.checks.frequencies import SURELY
from dropout_stats.checks.stream import Stream
from dropout_stats.laws import is_dependent, two_valued
from dropout_stats.results import Evidence, Finding, Verdict


def _kept_value(stream: Stream) -> Verdict:
    if stream.violations:
        return "fail"
    if stream.counts.successes:
        return "pass"
    few = 0 < stream.counts.trials * stream.setting.keep_prob < SURELY
    return "not-applicable" if few else "inconclusive"


def _explain_kept_value(stream: Stream, verdict: Verdict) -> Finding:
    setting = stream.setting
    declared = two_valued(setting.law).kept_factor(setting.rate)
    factor = stream.kept_factor() if stream.counts.successes else None
    low, high = stream.ratios or (factor, factor)
    evidence = Evidence(units=stream.counts.trials, estimate=factor, low=low, high=high)
    if verdict == "pass":
        return Finding(
            "pass",
            f"each of {stream.counts.successes} kept values is {declared:.7g} times its input, "
            f"within {setting.tolerance:.2g}",
            evidence,
        )
    if verdict in ("inconclusive", "not-applicable"):
        return Finding(
            verdict,
            f"none of {stream.counts.trials} units was kept, so no kept value was seen",
            evidence,
        )
    every = (
        f"All of them are {factor:.7g} times their input; expected {declared:.7g} times"
        if factor is not None
        else f"They have no common factor; expected {declared:.7g} times their input"
    )
    note = stream.example.note if stream.example else None
    outputs = stream.calls * math.prod(setting.shape)
    return Finding(
        "fail",
        f"{stream.violations} of {outputs} outputs are impossible: {stream.example}. {every}",
        evidence,
        symptoms=(
            *((note,) if note else ()),
            *(() if factor is not None else ("no common factor",)),
        ),
    )


def _mask(stream: Stream) -> Verdict:
    if not stream.masks_compared:
        return "not-applicable"
    return "pass" if stream.mask_mismatch is None else "fail"


def _explain_mask(stream: Stream, verdict: Verdict) -> Finding:
    if verdict == "not-applicable":
        return Finding(verdict, "the target returns no mask")
    if verdict == "pass":
        return Finding(verdict, f"agrees with the output in {stream.masks_compared} calls")
    return Finding(
        verdict,
        f"the returned mask {stream.mask_mismatch}. It should be true where the unit was kept",
    )


KEPT_VALUE = StreamCheck(
    id="support.kept_value",
    question="Is every output either 0 or the kept value of the law?",
    why="A missing or doubled scale, a division by the rate and values that land in the wrong "
    "place show here exactly, in one call.",
    demands="Every output of a training pass shall be either 0 or the input at the same place "
    "times the kept factor of the law.",
    how="Every output of every call is compared with its own input. Inputs differ from each "
    "other, so a value that landed in another place is not the kept value of its own. The "
    "relative tolerance is two machine epsilons of the output's type and, since rates often "
    "travel through float32, two of float32 divided by the keep probability.",
    spends=False,
    decide=_kept_value,
    explain=_explain_kept_value,
    on=("usual", "rank", "tiny", "peers"),
    waits=False,
    laws=TWO_VALUED,
)


def _shared_draw(stream: Stream) -> Verdict:
    if stream.setting.law.sharing.is_trivial:
        return "not-applicable"
    return "fail" if stream.torn else "pass"


def _explain_shared_draw(stream: Stream, verdict: Verdict) -> Finding:
    if verdict == "not-applicable":
        return Finding(verdict, "each element has a draw of its own")
    units = stream.counts.trials
    if verdict == "pass":
        return Finding(verdict, f"each of {units} units was kept or dropped whole", Evidence(units))
    return Finding(
        verdict,
        f"in {stream.calls} calls {stream.torn} units were kept in part, the first being at "
        f"{stream.first_torn} of the first such call; expected whole ones, as "
        f"{stream.setting.law.sharing.declared} declares",
        Evidence(units),
    )


SHARED_DRAW = StreamCheck(
    id="support.shared_draw",
    question="Do all elements of a unit share one draw?",
    why="A mask that is drawn for each element, or shared along another axis, regularises "
    "otherwise than channel or sample dropout, and every mean stays right.",
    demands="Where the law declares units of several elements, all elements of a unit shall be "
    "kept, or all dropped.",
    how="Every call is read: a unit with outputs that are 0 and outputs that are not is torn, and "
    "one of them fails. Inputs are nowhere 0. Not asked where each element has a draw of its own.",
    spends=False,
    decide=_shared_draw,
    explain=_explain_shared_draw,
    on=("usual", "rank", "tiny", "peers"),
    waits=False,
)

RETURNED_MASK = StreamCheck(
    id="support.returned_mask",
    question="Is the mask that the target returns the mask that it applied?",
    why="A mask that is returned but not applied, or returned inverted, misleads whoever uses it.",
    demands="A mask that a training pass returns shall have the shape of the output, and shall "
    "be true (not 0) exactly where the unit was kept.",
    how="In every call that returns a mask, it is compared, unit by unit, with the mask that "
    "input and output show. Not asked of a target that returns none.",
    spends=False,
    decide=_mask,
    explain=_explain_mask,
    waits=False,
    laws=TWO_VALUED,
)


def _count(stream: Stream) -> Verdict:
    law = stream.setting.law
    if not (is_dependent(law) and law.fixes_count):
        return "not-applicable"
    return "fail" if stream.miscount else "pass"


def _explain_count(stream: Stream, verdict: Verdict) -> Finding:
    if verdict == "not-applicable":
        return Finding(verdict, "the law fixes no number of kept units")
    units = stream.counts.trials
    if verdict == "pass":
        return Finding(verdict, f"the number of kept units is right in {stream.calls} calls")
    return Finding(verdict, f"in one call {stream.miscount}", Evidence(units))


COUNT = StreamCheck(
    id="support.count",
    question="Is exactly the declared number of units kept?",
    why="Where a law fixes the number of kept units, a rounding, a count over another group or "
    "plain dropout changes the variance of every sum, and no mean.",
    demands="Where the law fixes the number of kept units, each call, or each sample of it, shall "
    "keep exactly so many: units times (1 - rate), rounded down or up.",
    how="Kept units are counted in every call. One wrong number fails. Not asked of laws whose "
    "number is random.",
    spends=False,
    decide=_count,
    explain=_explain_count,
    on=("usual", "rank", "tiny", "peers"),
    waits=False,
    laws=TWO_VALUED,
)
