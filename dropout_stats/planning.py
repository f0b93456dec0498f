"""What to do: target x law x conventions x budget -> cases, each with its share. Pure data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dropout_stats import checks
from dropout_stats.checks.stream import CALLS_FOR_POOL, Setting, rate_departure
from dropout_stats.conventions import Conventions
from dropout_stats.errors import UsageError, did_you_mean
from dropout_stats.evidence.budget import Share, split
from dropout_stats.evidence.dispersion import resolvable_factor
from dropout_stats.evidence.repeats import chance_of_repeat, pool_excluded_by
from dropout_stats.evidence.sizes import CONFORMING_FACTOR, cap, fixed_sample
from dropout_stats.laws import Inverted, Law
from dropout_stats.options import Asked, matches
from dropout_stats.results import Case
from dropout_stats.target import Target

COARSER = 8.0  # the other dtypes share the code of the first: they are read more coarsely
LOOKS = 100
_CALL_UNITS = 16 * 1024
_CALLS_AIMED_AT = 256
_LEAST_CALL_UNITS = 256
_LEAST_CALLS = 64
_LEAST_COUNT_VARIANCE = 16.0
_REPEATS_BY_CHANCE = 1e-6
_INTERFACE_SHAPES = ((1,), (7,), (3, 5), (2, 3, 4), (2, 3, 4, 5), (2, 1, 3, 2, 2))
_PROBE_SHAPE = (16, 1024)


@dataclass(frozen=True)
class StreamPlan:
    """How one configuration is sampled.

    Args:
        setting: what its tables are held to.
        cap_calls: the stream gives up after so many calls.
        look_every: calls between two looks at the tables.
        expected_calls: calls after which a conforming target is expected to have passed.

    """

    setting: Setting
    cap_calls: int
    look_every: int
    expected_calls: int


@dataclass(frozen=True)
class PlannedCase:
    """One case of the plan.

    Args:
        case: the check and its configuration.
        share: its part of the error budget; None where the check is exact.
        resolution: the departure that it is planned to catch; None where the check is exact.

    """

    case: Case
    share: Share | None = None
    resolution: float | None = None


@dataclass(frozen=True)
class Plan:
    """What a run would do. Shares belong to the full plan: selecting cases never changes them.

    Args:
        target: name of the target.
        spec: the command-line words that name the target, where there are any.
        law: the law.
        law_source: `argument`, `target` or `assumed`.
        conventions: the conventions.
        asked: the options that it was made from.
        cases: the cases, in the order of the report.
        streams: one stream a rate and dtype.
        shapes: shapes that the probes try.
        seconds: estimated time of a conforming run; None before it was measured.

    """

    target: str
    spec: str | None
    law: Law
    law_source: str
    conventions: Conventions
    asked: Asked
    cases: tuple[PlannedCase, ...]
    streams: tuple[StreamPlan, ...]
    shapes: tuple[tuple[int, ...], ...]
    seconds: float | None = None

    @property
    def units(self) -> int:
        """Units that a conforming run is expected to draw."""
        return sum(stream.expected_calls * stream.setting.units for stream in self.streams)

    @property
    def seconds_by_stream(self) -> dict[tuple[float, str], float]:
        """How `max_seconds` is divided: as the expected units are."""
        return {
            (stream.setting.rate, stream.setting.dtype): self.asked.max_seconds
            * (stream.expected_calls * stream.setting.units)
            / self.units
            for stream in self.streams
        }

    @property
    def rates(self) -> tuple[float, ...]:
        """The rates of the streams."""
        return tuple(dict.fromkeys(stream.setting.rate for stream in self.streams))

    def stream(self, case: Case) -> StreamPlan | None:
        """The stream that a case reads, if it reads one."""
        for stream in self.streams:
            if (stream.setting.rate, stream.setting.dtype) == (case.rate, case.dtype):
                return stream
        return None

    def selected(self) -> Plan:
        """Return the plan with only the cases that were asked for; shares stay as they are."""
        wanted, skip = self.asked.checks, self.asked.skip
        known = [planned.case.id for planned in self.cases]
        for pattern in (*(wanted or ()), *skip):
            if "[" in pattern and pattern not in known:
                raise UsageError(
                    f"the plan has no case {pattern!r}.{did_you_mean(pattern, known)} "
                    "Its rate and type must be among those of the run"
                )
        keep = tuple(
            planned
            for planned in self.cases
            if (wanted is None or matches(planned.case, wanted)) and not matches(planned.case, skip)
        )
        if not keep:
            raise UsageError(f"checks={wanted!r} and skip={skip!r} leave nothing to do")
        return replace(self, cases=keep, streams=_read_by(keep, self.streams))

    def __str__(self) -> str:
        from dropout_stats.report.terminal import render_plan

        return render_plan(self)


def make_plan(target: Target, asked: Asked) -> Plan:
    """Build the full plan, and select from it what was asked for."""
    law, law_source = _law(target, asked)
    conventions = asked.conventions.over(target.conventions)
    dtypes = _finest_first(asked.dtypes or conventions.dtypes)
    share = _share(asked, dtypes)
    streams = tuple(
        _stream_plan(
            law=law,
            conventions=conventions,
            asked=asked,
            rate=rate,
            dtype=dtype,
            share=share,
            resolution=_resolution(asked, first=dtype == dtypes[0]),
        )
        for dtype in dtypes
        for rate in _inner(asked.rates)
    )
    full = Plan(
        target=target.name,
        spec=target.spec,
        law=law,
        law_source=law_source,
        conventions=conventions,
        asked=asked,
        cases=_cases(asked.rates, dtypes, streams, share),
        streams=streams,
        shapes=_probe_shapes(conventions, asked.shapes),
    )
    return full.selected()


def _law(target: Target, asked: Asked) -> tuple[Law, str]:
    if asked.law:
        return asked.law, "argument"
    return (target.law, "target") if target.law else (Inverted(), "assumed")


def _finest_first(dtypes: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(dict.fromkeys(dtypes), key=lambda name: name != "float32"))


def _resolution(asked: Asked, *, first: bool) -> float:
    return asked.resolution if first else min(asked.resolution * COARSER, 0.5)


def _inner(rates: Sequence[float]) -> list[float]:
    return [rate for rate in rates if 0 < rate < 1]


def _share(asked: Asked, dtypes: Sequence[str]) -> Share:
    spending = [c for c in checks.ALL if isinstance(c, checks.StreamCheck) and c.spends]
    return split(asked.false_alarm, len(_inner(asked.rates)) * len(dtypes) * len(spending))


def _cases(
    rates: Sequence[float],
    dtypes: Sequence[str],
    streams: Sequence[StreamPlan],
    share: Share,
) -> tuple[PlannedCase, ...]:
    middle = sorted(rates)[len(rates) // 2]
    middle = middle if 0 < middle < 1 else 0.3
    cases: list[PlannedCase] = []
    for check in checks.ALL:
        if isinstance(check, checks.StreamCheck):
            cases += [_planned(check, stream.setting, share) for stream in streams]
            continue
        places: dict[str, list[tuple[float | None, str]]] = {
            "once": [(middle, dtypes[0])],
            "dtype": [(middle, dtype) for dtype in dtypes],
            "rate and dtype": [(s.setting.rate, s.setting.dtype) for s in streams],
            "rate 0": [(0.0, dtype) for dtype in dtypes],
            "rate 1": [(1.0, dtype) for dtype in dtypes],
        }
        cases += [PlannedCase(Case(check.id, dtype, rate)) for rate, dtype in places[check.places]]
    return tuple(cases)


def _planned(check: checks.StreamCheck, setting: Setting, share: Share) -> PlannedCase:
    case = Case(check.id, setting.dtype, setting.rate, setting.shape)
    resolutions = {
        "rate.marginal": setting.departure,
        "calls.count_dispersion": setting.factor,
        "calls.repeated_mask": setting.pool,
    }
    return PlannedCase(case, share if check.spends else None, resolutions.get(check.id))


def _stream_plan(
    *,
    law: Law,
    conventions: Conventions,
    asked: Asked,
    rate: float,
    dtype: str,
    share: Share,
    resolution: float,
) -> StreamPlan:
    keep_prob, power = 1 - rate, asked.power
    departure = rate_departure(rate, resolution)
    fixed = fixed_sample(keep_prob, departure, share.probability, power)
    shape = _stream_shape(conventions, asked.shapes, fixed, rate)
    units = math.prod(shape)
    cap_calls = max(
        math.ceil(cap(keep_prob, departure, share.probability, power) / units), _LEAST_CALLS
    )
    expected = max(math.ceil(CONFORMING_FACTOR * fixed / units), _LEAST_CALLS // 2)
    return StreamPlan(
        setting=Setting(
            law=law,
            rate=rate,
            dtype=dtype,
            output_dtype=conventions.output_dtype(dtype),
            shape=shape,
            departure=departure,
            factor=_factor(units, keep_prob, expected, cap_calls),
            pool=_pool(expected, cap_calls, units, keep_prob, power),
            share=share,
            power=power,
        ),
        cap_calls=cap_calls,
        look_every=max(1, cap_calls // LOOKS),
        expected_calls=expected,
    )


def _factor(units: int, keep_prob: float, expected: int, cap_calls: int) -> float:
    """The variance factor to exclude; inf where the cap is too soon for any."""
    factor = resolvable_factor(units, keep_prob, expected)
    return factor if math.isfinite(factor) else resolvable_factor(units, keep_prob, cap_calls // 2)


def _pool(expected: int, cap_calls: int, units: int, keep_prob: float, power: float) -> float:
    """The pool of masks to exclude; 0 where correct masks are so short that they repeat, too."""
    if chance_of_repeat(cap_calls, units, keep_prob) > _REPEATS_BY_CHANCE:
        return 0.0
    return pool_excluded_by(min(expected, CALLS_FOR_POOL), power)


def _stream_shape(
    conventions: Conventions,
    given: tuple[tuple[int, ...], ...] | None,
    fixed: int,
    rate: float,
) -> tuple[int, ...]:
    """Calls small enough that there are many, and large enough that the kept count varies."""
    if given:
        return max(given, key=math.prod)
    if conventions.max_shapes is not None:
        return _with_rank(_CALL_UNITS, conventions.ndims)
    aim = max(
        CONFORMING_FACTOR * fixed / _CALLS_AIMED_AT,
        _LEAST_COUNT_VARIANCE / (rate * (1 - rate)),
        _LEAST_CALL_UNITS,
    )
    units = min(2 ** round(math.log2(aim)), _CALL_UNITS)
    return _with_rank(units, conventions.ndims)


def _with_rank(units: int, ndims: tuple[int, int]) -> tuple[int, ...]:
    """A shape of so many units (a power of 2): 16 rows, or of the rank nearest to 2 declared."""
    rank = min(max(2, ndims[0]), ndims[1])
    if rank == 0:
        return ()
    if rank == 2:
        return (16, units // 16)
    exponent = units.bit_length() - 1
    parts = [exponent // rank + (axis < exponent % rank) for axis in range(rank)]
    return tuple(2**part for part in parts)


def _probe_shapes(
    conventions: Conventions, given: tuple[tuple[int, ...], ...] | None
) -> tuple[tuple[int, ...], ...]:
    if given:
        return given
    low, high = conventions.ndims
    main = _with_rank(math.prod(_PROBE_SHAPE), conventions.ndims)
    others = [shape for shape in _INTERFACE_SHAPES if low <= len(shape) <= high]
    return (main, *others)[: conventions.max_shapes]


def _read_by(
    cases: tuple[PlannedCase, ...], streams: tuple[StreamPlan, ...]
) -> tuple[StreamPlan, ...]:
    read = {
        (planned.case.rate, planned.case.dtype)
        for planned in cases
        if isinstance(checks.by_id[planned.case.check], checks.StreamCheck)
    }
    return tuple(s for s in streams if (s.setting.rate, s.setting.dtype) in read)
