"""What to do: target x law x conventions x budget -> cases, each with its share. Pure data."""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from operator import index
from typing import Any, TypeVar

import numpy as np

from dropout_stats import checks
from dropout_stats.checks.stream import CALLS_FOR_POOL, Setting, rate_departure
from dropout_stats.conventions import Conventions
from dropout_stats.dtypes import as_dtype
from dropout_stats.errors import UsageError, did_you_mean
from dropout_stats.evidence.budget import Share, split
from dropout_stats.evidence.dispersion import resolvable_factor
from dropout_stats.evidence.repeats import chance_of_repeat, pool_excluded_by
from dropout_stats.evidence.sizes import CONFORMING_FACTOR, cap, fixed_sample
from dropout_stats.laws import Law
from dropout_stats.results import Case

DEFAULT_RATES = (0.001, 0.1, 0.3, 0.9, 0.999)
DEFAULT_RESOLUTION = 2.0**-10  # in standard deviations; at most 2^-11 of probability
COARSER = 8.0  # the other dtypes share the code of the first: they are read more coarsely
LOOKS = 100
_CALL_UNITS = 16 * 1024
_CALLS_AIMED_AT = 256
_LEAST_CALL_UNITS = 256
_LEAST_CALLS = 64
_LEAST_COUNT_VARIANCE = 16.0
_REPEATS_BY_CHANCE = 1e-6
_NEAREST = 1e-6  # a rate nearer to 0 or 1 is lost in the rounding of float32
_Item = TypeVar("_Item")
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
        cases: the cases, in the order of the report.
        streams: one stream a rate and dtype.
        shapes: shapes that the probes try.
        seed: the seed of the run.
        seed_given: whether the caller chose it.
        false_alarm: total probability that a conforming target fails.
        power: probability of catching a departure as large as a stated resolution.
        resolution: departure of the keep probability for the first type, in standard deviations.
        max_seconds: time for the streams.
        seconds: estimated time of a conforming run; None before it was measured.
        shapes_given: whether the caller chose the shapes.

    """

    target: str
    spec: str | None
    law: Law
    law_source: str
    conventions: Conventions
    cases: tuple[PlannedCase, ...]
    streams: tuple[StreamPlan, ...]
    shapes: tuple[tuple[int, ...], ...]
    seed: int
    seed_given: bool
    false_alarm: float
    power: float
    resolution: float
    max_seconds: float
    seconds: float | None = None
    shapes_given: bool = False

    @property
    def units(self) -> int:
        """Units that a conforming run is expected to draw."""
        return sum(stream.expected_calls * stream.setting.units for stream in self.streams)

    @property
    def resolution_given(self) -> bool:
        """Whether the resolution is another than the default."""
        return self.resolution != DEFAULT_RESOLUTION

    @property
    def seconds_by_stream(self) -> dict[tuple[float, str], float]:
        """How `max_seconds` is divided: as the expected units are."""
        return {
            (stream.setting.rate, stream.setting.dtype): self.max_seconds
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

    def selecting(self, wanted: Sequence[str] | None, skip: Sequence[str]) -> Plan:
        """Return the plan with only the checks that match; shares stay as they are."""
        keep = tuple(
            planned
            for planned in self.cases
            if (wanted is None or matches(planned.case.check, wanted))
            and not matches(planned.case.check, skip)
        )
        if not keep:
            raise UsageError(f"checks={wanted!r} and skip={skip!r} leave nothing to do")
        return replace(self, cases=keep, streams=_read_by(keep, self.streams))

    def __str__(self) -> str:
        from dropout_stats.report.terminal import render_plan

        return render_plan(self)


def matches(check: str, patterns: Iterable[str]) -> bool:
    """Whether the id of a check matches one of the patterns (`*` and `?` as in file names)."""
    return any(fnmatchcase(check, pattern) for pattern in patterns)


def make_plan(
    *,
    target: str,
    spec: str | None,
    law: Law,
    law_source: str,
    conventions: Conventions,
    rates: Sequence[float] | None = None,
    dtypes: Sequence[str] | None = None,
    shapes: Sequence[Sequence[int]] | None = None,
    false_alarm: float = 1e-6,
    power: float = 0.99,
    resolution: float | None = None,
    max_seconds: float = 60.0,
    seed: int | None = None,
) -> Plan:
    """Build the full plan; `ds.plan` and `ds.check` describe the arguments."""
    rates = _valid_rates(DEFAULT_RATES if rates is None else rates)
    dtypes = _valid_dtypes(conventions.dtypes if dtypes is None else dtypes)
    given = _valid_shapes(shapes)
    false_alarm, power = _number("false_alarm", false_alarm), _number("power", power)
    max_seconds = _number("max_seconds", max_seconds)
    _require(1e-100 <= false_alarm < 1, "false_alarm", false_alarm, "in [1e-100, 1)")
    _require(0.5 <= power < 1, "power", power, "in [0.5, 1)")
    _require(max_seconds > 0, "max_seconds", max_seconds, "positive")
    finest = DEFAULT_RESOLUTION if resolution is None else _number("resolution", resolution)
    _require(0 < finest <= 0.5, "resolution", finest, "in (0, 0.5] standard deviations")
    inner = [rate for rate in rates if 0 < rate < 1]
    spending = [
        check.id for check in checks.ALL if isinstance(check, checks.StreamCheck) and check.spends
    ]
    share = split(false_alarm, len(inner) * len(dtypes) * len(spending))
    streams = tuple(
        _stream_plan(
            law=law,
            conventions=conventions,
            rate=rate,
            dtype=dtype,
            given=given,
            share=share,
            power=power,
            resolution=finest if dtype == dtypes[0] else min(finest * COARSER, 0.5),
        )
        for dtype in dtypes
        for rate in inner
    )
    return Plan(
        target=target,
        spec=spec,
        law=law,
        law_source=law_source,
        conventions=conventions,
        cases=_cases(rates, dtypes, streams, share),
        streams=streams,
        shapes=_probe_shapes(conventions, given),
        seed=secrets.randbits(48) if seed is None else _valid_seed(seed),
        seed_given=seed is not None,
        false_alarm=false_alarm,
        power=power,
        resolution=finest,
        max_seconds=max_seconds,
        shapes_given=given is not None,
    )


def _cases(
    rates: Sequence[float],
    dtypes: Sequence[str],
    streams: Sequence[StreamPlan],
    share: Share,
) -> tuple[PlannedCase, ...]:
    middle = sorted(rates)[len(rates) // 2] if rates else 0.3
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
    rate: float,
    dtype: str,
    given: tuple[tuple[int, ...], ...] | None,
    share: Share,
    power: float,
    resolution: float,
) -> StreamPlan:
    keep_prob = law.keep_probs(rate)[0]
    power_of_one = 1 - (1 - power) / len(law.keep_probs(rate))  # see Setting.keep_test
    departure = rate_departure(rate, resolution)
    fixed = fixed_sample(keep_prob, departure, share.probability, power_of_one)
    shape = _stream_shape(conventions, given, fixed, rate)
    units = math.prod(shape)
    cap_calls = max(
        math.ceil(cap(keep_prob, departure, share.probability, power_of_one) / units), _LEAST_CALLS
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


def known_patterns(patterns: Sequence[str] | None, argument: str) -> None:
    """Refuse patterns that match no check, with the nearest ids."""
    for pattern in _sequence(argument, () if patterns is None else patterns, str):
        if not any(matches(check, [pattern]) for check in checks.by_id):
            raise UsageError(
                f"{argument}: no check matches {pattern!r}.{did_you_mean(pattern, checks.by_id)} "
                "`dropout-stats list` shows all ids"
            )


def _valid_rates(rates: Sequence[float]) -> tuple[float, ...]:
    values = tuple(dict.fromkeys(_sequence("rates", rates, float)))
    if not values:
        raise UsageError("rates=() leaves nothing to try: name at least one")
    for rate in values:
        _require(0 <= rate <= 1, "rates", rate, "in [0, 1]")
        near = min(rate, 1 - rate)
        _require(
            near in (0, 1) or near >= _NEAREST,
            "rates",
            rate,
            f"0, 1, or {_NEAREST:g} away from both",
        )
    return values


def _valid_dtypes(dtypes: Sequence[str]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(_sequence("dtypes", dtypes, str)))
    if not names:
        raise UsageError("dtypes=() leaves nothing to try: name at least one")
    for name in names:
        as_dtype(name)
    return tuple(sorted(names, key=lambda name: name != "float32"))


def _valid_shapes(shapes: Sequence[Sequence[int]] | None) -> tuple[tuple[int, ...], ...] | None:
    if shapes is None:
        return None
    values = tuple(
        tuple(_sequence("shapes", shape, index)) for shape in _sequence("shapes", shapes, tuple)
    )
    if not values or any(n < 1 for shape in values for n in shape):
        raise UsageError(f"shapes must be non-empty and have positive lengths, got {shapes!r}")
    return values


def _valid_seed(seed: int) -> int:
    try:
        number = index(seed)
    except TypeError:
        number = -1
    _require(0 <= number < 2**63, "seed", seed, "an integer in [0, 2^63)")
    return number


def _sequence(name: str, values: object, of: Callable[[Any], _Item]) -> list[_Item]:
    """The items of an argument that takes several; a bare string or number is none."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise UsageError(f"{name} takes a sequence, got {values!r}: write [{values!r}]")
    try:
        return [of(value) for value in values]
    except (TypeError, ValueError) as error:
        raise UsageError(f"{name}: {error}, in {values!r}") from error


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise UsageError(f"{name} must be a number, got {value!r}")
    return float(value)


def _require(condition: bool, name: str, value: object, expected: str) -> None:
    if not condition:
        raise UsageError(f"{name} must be {expected}, got {value!r}")
