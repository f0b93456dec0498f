"""Are the calls independent of each other, and the units of a call?"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from dropout_stats.checks.check import StreamCheck
from dropout_stats.checks.stream import CALLS_FOR_POOL, Stream
from dropout_stats.results import Evidence, Finding, Verdict


def shared_noise(stream: Stream) -> str | None:
    """Say how the units are not independent draws, if they are not; None if nothing shows it."""
    if _dispersion(stream) == "fail":
        return (
            "the kept count varies "
            f"{stream.dispersion.variance_factor(_fresh_histogram(stream)):.3g} times as much as "
            "independent units allow"
        )
    if _repeats(stream) == "fail":
        return f"only {stream.repeats.distinct} of {stream.calls} masks were new"
    if stream.dependences:
        return f"units do not draw independently ({', '.join(stream.dependences)})"
    return None


def _repeats(stream: Stream) -> Verdict:
    if stream.repeats.log_e() >= stream.setting.share.log_threshold:
        return "fail"
    if not stream.setting.pool:
        return "not-applicable" if stream.calls >= CALLS_FOR_POOL else "inconclusive"
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
            f"{seen}: the target returns masks that it has returned before. Independent masks "
            f"repeat like this with an e-value of 10^{evidence.log10_e:.1f} against them"
        )
    return Finding(verdict, message, evidence)


def masks_ran_out(stream: Stream) -> bool:
    """Whether masks are known to repeat and the last call brought none that was new."""
    return bool(stream.calls) and not stream.last_was_new and _repeats(stream) == "fail"


def _fresh_histogram(stream: Stream) -> NDArray[np.int64]:
    """The kept counts; of new masks only, once masks are known to repeat: a copy says nothing new.

    Short masks repeat by chance, so copies are left out only where the law is refuted already.
    """
    if _repeats(stream) != "fail":
        return stream.histogram
    counts = np.rint(np.array(stream.novel_shares) * stream.setting.units).astype(np.int64)
    return np.bincount(counts, minlength=stream.setting.units + 1)


def _dispersion(stream: Stream) -> Verdict:
    test, histogram = stream.dispersion, _fresh_histogram(stream)
    if test.log_e(histogram) >= stream.setting.share.log_threshold:
        return "fail"
    if math.isinf(stream.setting.factor):
        return "not-applicable" if stream.calls >= CALLS_FOR_POOL else "inconclusive"
    return "pass" if test.excludes_departures(histogram) else "inconclusive"


def _explain_dispersion(stream: Stream, verdict: Verdict) -> Finding:
    test, setting = stream.dispersion, stream.setting
    histogram = _fresh_histogram(stream)
    calls = int(histogram.sum())
    factor, resolution = test.variance_factor(histogram), test.resolution(histogram)
    evidence = Evidence(
        units=calls,
        estimate=None if math.isnan(factor) else factor,
        log10_e=test.log_e(histogram) / math.log(10),
        resolution=resolution if math.isfinite(resolution) else None,
    )
    seen = (
        f"over {calls} calls of {setting.units} units the kept count varies "
        f"{factor:.3g} times as much as a binomial count"
    )
    if verdict == "not-applicable":
        message = f"{seen}: counts of so few draws cannot show a factor within the planned calls"
    elif verdict == "pass":
        message = f"{seen}. A factor of {resolution:.3g} (or its inverse) would have been caught"
    elif verdict == "inconclusive":
        message = (
            f"{seen}. Too few calls to exclude the declared factor {setting.factor:.3g} "
            "(or its inverse)"
        )
    else:
        message = f"{seen}, whatever the rate (e-value 10^{evidence.log10_e:.1f}): " + (
            "units of a call share their draws" if factor > 1 else "the count is held fixed"
        )
    return Finding(verdict, message, evidence)


REPEATED_MASK = StreamCheck(
    id="calls.repeated_mask",
    question="Does every call draw a new mask?",
    why="A constant seed, a generator that is not advanced, a cached mask or one baked in by "
    "tracing gives the same mask again; every per-call statistic stays right.",
    spends=True,
    decide=_repeats,
    explain=_explain_repeats,
)

COUNT_DISPERSION = StreamCheck(
    id="calls.count_dispersion",
    question="Does the kept count vary from call to call as a binomial count does?",
    why="Units that share a draw make the count vary too much, exact-count masks too little; "
    "the mean is right in both.",
    spends=True,
    decide=_dispersion,
    explain=_explain_dispersion,
)
