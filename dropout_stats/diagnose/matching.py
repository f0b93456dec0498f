"""Which signatures agree with what was observed.

A signature that agrees with everything observed explains it; where none does, those that agree in
what they are about are named as parts of the answer.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dropout_stats.diagnose.bugs import DROPS, SIGNATURES, Signature
from dropout_stats.laws import AnyLaw, is_two_valued, two_valued
from dropout_stats.laws.reading import kept_tolerance
from dropout_stats.results import Result

_LAWFUL = Signature("", "", "")


@dataclass(frozen=True)
class Observed:
    """What was observed at one rate and type; None where it could not be."""

    rate: float
    dtype: str
    keep: tuple[float, float] | None
    kept: float | None
    evaluation: float | None


def explaining(results: Sequence[Result], law: AnyLaw) -> list[Signature]:
    """The signatures that explain everything that was observed, the simplest first.

    Of those that are one thing under this law the simplest is enough.
    """
    observed = observe(results)
    found = [s for s in _of(law) if _deviates(s, observed, law) and _explains(s, observed, law)]
    apart: dict[object, Signature] = {}
    for signature in _simplest_first(found):
        apart.setdefault(tuple(_expected(signature, law, o.rate) for o in observed), signature)
    return list(apart.values())


def partly_explaining(results: Sequence[Result], law: AnyLaw) -> list[Signature]:
    """The signatures that agree in what they are about."""
    observed = observe(results)
    return [s for s in _of(law) if _is_part(s, observed, law)]


def same_at_all_rates(results: Sequence[Result]) -> bool:
    """Whether one share of kept units, neither none nor all, fits what was seen at all rates."""
    seen = [one for one in observe(results) if one.keep]
    low = max((one.keep[0] for one in seen if one.keep), default=0.0)
    high = min((one.keep[1] for one in seen if one.keep), default=1.0)
    return len({one.rate for one in seen}) > 1 and 0 < low <= high < 1


def has_another_rate(results: Sequence[Result], law: AnyLaw) -> bool:
    """Whether kept units and their factor give the right mean, though neither is the law's.

    On a coarse grid two small rates may have one keep probability.
    """
    seen = [(one.rate, one.keep, one.kept) for one in observe(results) if one.keep and one.kept]
    return any(not _lies_in(law.keep_probs(rate), keep) for rate, keep, _ in seen) and all(
        math.isclose(two_valued(law).kept_factor(rate) * (1 - rate), 1)
        and kept >= 1
        and _lies_in(law.keep_probs(1 - 1 / kept), keep)
        for rate, keep, kept in seen
    )


def _lies_in(keep_probs: Iterable[float], interval: tuple[float, float]) -> bool:
    """Whether one of them does."""
    low, high = interval
    return any(low <= keep_prob <= high for keep_prob in keep_probs)


def _of(law: AnyLaw) -> list[Signature]:
    if not is_two_valued(law):
        return []
    return [s for s in SIGNATURES if not s.laws or law.name in s.laws]


def observe(results: Iterable[Result]) -> list[Observed]:
    """What was observed at each rate inside (0, 1) and type, in the usual calls."""
    by_place: dict[tuple[float, str], dict[str, Result]] = {}
    for result in results:
        if result.case.rate is not None and not result.case.variant:
            place = by_place.setdefault((result.case.rate, result.case.dtype), {})
            place[result.check] = result
    return [
        Observed(
            rate=rate,
            dtype=dtype,
            keep=_interval(found.get("rate.marginal")),
            kept=_kept(found.get("support.kept_value")),
            evaluation=_evaluation(found.get("inference.law")),
        )
        for (rate, dtype), found in by_place.items()
        if 0 < rate < 1
    ]


def _interval(result: Result | None) -> tuple[float, float] | None:
    evidence = result.evidence if result else None
    if result is None or evidence is None or result.verdict == "inconclusive":
        return None
    return (evidence.low or 0.0, 1.0 if evidence.high is None else evidence.high)


def _kept(result: Result | None) -> float | None:
    """The one factor of kept values; NaN, which agrees with nothing, where there are several."""
    if result is None or result.evidence is None:
        return None
    if result.verdict == "fail" and result.evidence.estimate is None:
        return math.nan
    return result.evidence.estimate


def _evaluation(result: Result | None) -> float | None:
    evidence = result.evidence if result else None
    if evidence is None:
        return None
    if evidence.estimate is None and evidence.low is not None and evidence.high is not None:
        return DROPS if min(abs(evidence.low), abs(evidence.high)) == 0 else None
    return evidence.estimate


def _expected(s: Signature, law: AnyLaw, rate: float) -> tuple[float, float, float]:
    return (
        s.keep(rate) if s.keep else law.keep_probs(rate)[0],
        (s.kept or two_valued(law).kept_factor)(rate),
        (s.evaluation or law.evaluation_factor)(rate),
    )


def _explains(s: Signature, observed: Sequence[Observed], law: AnyLaw) -> bool:
    return all(_agrees(seen, *_expected(s, law, seen.rate)) for seen in observed)


def _is_part(s: Signature, observed: Sequence[Observed], law: AnyLaw) -> bool:
    """Whether the signature agrees, in what it is about, wherever that was observed."""
    about = [
        Observed(
            seen.rate,
            seen.dtype,
            seen.keep if s.keep else None,
            seen.kept if s.kept else None,
            seen.evaluation if s.evaluation else None,
        )
        for seen in observed
    ]
    return _deviates(s, about, law) and _explains(s, about, law)


def _deviates(s: Signature, observed: Sequence[Observed], law: AnyLaw) -> bool:
    """Whether what was observed is the bug's rather than the law's."""
    return not _explains(_LAWFUL, observed, law) and any(
        _expected(s, law, seen.rate) != _expected(_LAWFUL, law, seen.rate) for seen in observed
    )


def _simplest_first(found: list[Signature]) -> list[Signature]:
    return sorted(found, key=lambda s: sum(f is not None for f in (s.keep, s.kept, s.evaluation)))


def _agrees(seen: Observed, keep: float, kept: float, evaluation: float) -> bool:
    tolerance = 4 * kept_tolerance(seen.dtype, seen.rate)
    return (
        (seen.keep is None or seen.keep[0] <= keep <= seen.keep[1])
        and (seen.kept is None or keep == 0 or _near(seen.kept, kept, tolerance))
        and (seen.evaluation is None or _near(seen.evaluation, evaluation, tolerance))
    )


def differ(where: Observed, one: float, other: float) -> bool:
    """Whether two factors differ by more than rounding there."""
    return not _near(one, other, 4 * kept_tolerance(where.dtype, where.rate))


def kept_factor(law: AnyLaw, rate: float) -> float:
    """The factor of a kept value under a law of one atom beside 0."""
    return two_valued(law).kept_factor(rate)


def _near(one: float, other: float, tolerance: float) -> bool:
    return abs(one - other) <= tolerance * max(abs(one), abs(other))
