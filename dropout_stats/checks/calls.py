"""Does every call draw a new mask?"""

from __future__ import annotations

import math

from dropout_stats.checks.check import StreamCheck
from dropout_stats.checks.stream import Stream
from dropout_stats.results import Evidence, Finding, Verdict


def shared_noise(stream: Stream) -> str | None:
    """Say how the units are not independent draws, if they are not; None if nothing shows it."""
    if "calls.repeated_mask" in stream.dependences:
        return f"only {stream.repeats.distinct} of {stream.calls} masks were new"
    if stream.dependences:
        return f"units do not draw independently ({', '.join(stream.dependences)})"
    return None


def masks_repeat(stream: Stream) -> bool:
    """Whether masks are known to come back."""
    return _repeats(stream) == "fail"


def _repeats(stream: Stream) -> Verdict:
    if stream.repeats.log_e() >= stream.setting.share.log_threshold:
        return "fail"
    if not stream.setting.pool:
        return "not-applicable" if stream.is_long_enough else "inconclusive"
    if stream.repeats.excludes(stream.setting.pool, stream.setting.power):
        return "pass"
    return "inconclusive"


def _explain_repeats(stream: Stream, verdict: Verdict) -> Finding:
    repeats, setting = stream.repeats, stream.setting
    resolution = repeats.resolution(setting.power)
    evidence = Evidence(
        units=repeats.patterns,
        estimate=float(repeats.distinct),
        log10_e=repeats.log_e() / math.log(10),
        resolution=resolution,
    )
    seen = (
        f"{repeats.distinct} different masks in {repeats.patterns} calls of {setting.units} units"
    )
    if verdict == "not-applicable":
        message = f"{seen}: masks of so few draws repeat by chance, as correct ones do"
    elif verdict == "pass":
        message = f"{seen}. Masks from a pool of {resolution:.0f} would have been caught"
    elif verdict == "inconclusive":
        message = (
            f"{seen}. Too few calls: a pool of more than {resolution:.0f} masks could not be "
            f"excluded; {setting.pool:.0f} was declared"
        )
    else:
        message = (
            f"{seen}; expected a new one each time, but for what chance repeats: the target "
            "returns masks that it has returned before. Independent masks repeat like this with an "
            f"e-value of 10^{evidence.log10_e:.1f} against them"
        )
    return Finding(verdict, message, evidence)


def masks_ran_out(stream: Stream) -> bool:
    """Whether masks are known to repeat and the last call brought none that was new."""
    return bool(stream.calls) and not stream.last_was_new and masks_repeat(stream)


REPEATED_MASK = StreamCheck(
    id="calls.repeated_mask",
    question="Does every call draw a new mask?",
    why="A constant seed, a generator that is not advanced, a cached mask or one baked in by "
    "tracing gives the same mask again; every per-call statistic stays right.",
    demands="Each training pass shall draw a new mask: masks shall come back no more often than "
    "independent draws do.",
    how="The mask of each call is known again by a digest of 160 bits. A mask that was seen "
    "before is worth the inverse of its probability under the law, weighted with how often it "
    "was seen: one repeat of a long mask is decisive, and one of a short mask, which chance "
    "explains, is not. It passes once the target surely does not draw from a pool of the stated "
    "size. Where correct masks are so short that they repeat, it can only fail or be not "
    "applicable.",
    unit="the number of masks in a pool that all calls draw from; here the larger number is the "
    "finer one",
    spends=True,
    decide=_repeats,
    explain=_explain_repeats,
    dependence=True,
    on=("usual", "peers"),
)
