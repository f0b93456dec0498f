"""What to do: target x law x conventions x budget -> cases, each with its share. Pure data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from dropout_stats import checks
from dropout_stats.conventions import Conventions
from dropout_stats.dtypes import HALVES
from dropout_stats.errors import UsageError, did_you_mean
from dropout_stats.evidence.budget import Share
from dropout_stats.expected import require_planned
from dropout_stats.laws import AnyLaw, Indirect, Inverted, is_indirect, spelled
from dropout_stats.laws.sharing import Sharing
from dropout_stats.options import DEFAULT_RATES, Asked, matches
from dropout_stats.results import Case
from dropout_stats.streams import StreamPlan, form, inner, plan_streams
from dropout_stats.target import Target

_INTERFACE_SHAPES = ((1,), (7,), (3, 5), (2, 3, 4), (2, 3, 4, 5), (2, 1, 3, 2, 2))
_PROBE_UNITS = 16 * 1024
_LARGE_UNITS = 2**17  # so many are often shared out among threads


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
        large_shape: a shape of many units, where the target may be asked one more.
        deselected: cases of the full plan that `checks` and `skip` leave out.
        seconds: estimated time of a conforming run; None before it was measured.
        variable: how Python names the target, for reproductions where no command does.

    """

    target: str
    spec: str | None
    law: AnyLaw
    law_source: str
    conventions: Conventions
    asked: Asked
    cases: tuple[PlannedCase, ...]
    streams: tuple[StreamPlan, ...]
    shapes: tuple[tuple[int, ...], ...]
    large_shape: tuple[int, ...]

    deselected: tuple[Case, ...] = ()
    seconds: float | None = None
    variable: str = "target"

    @property
    def law_name(self) -> str:
        """The law as reports write it."""
        return spelled(self.law) or self.law.name

    @property
    def units(self) -> int:
        """Units that a conforming run is expected to draw."""
        return sum(stream.expected_calls * stream.setting.units for stream in self.streams)

    @cached_property
    def seconds_by_stream(self) -> dict[str, float]:
        """How `max_seconds` is divided: half equally, half as the expected units are."""
        units = self.units
        return {
            stream.where: self.asked.max_seconds
            * (1 / len(self.streams) + stream.expected_calls * stream.setting.units / units)
            / 2
            for stream in self.streams
        }

    @property
    def rates(self) -> tuple[float, ...]:
        """The rates of the streams."""
        return tuple(dict.fromkeys(stream.setting.rate for stream in self.streams))

    def stream(self, case: Case) -> StreamPlan | None:
        """The stream that a case reads, if it reads one."""
        return self._by_where.get(case.where)

    @cached_property
    def _by_where(self) -> dict[str, StreamPlan]:
        return {stream.where: stream for stream in self.streams}

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
            raise UsageError(
                f"checks={wanted!r} and skip={skip!r} leave nothing to do, of the checks that are "
                f"asked of this target under the law {self.law_name}"
            )
        kept = {planned.case.id for planned in keep}
        left = tuple(planned.case for planned in self.cases if planned.case.id not in kept)
        return replace(self, cases=keep, deselected=left, streams=_read_by(keep, self.streams))

    def __str__(self) -> str:
        from dropout_stats.report.terminal import render_plan

        return render_plan(self)


def make_plan(target: Target, asked: Asked) -> Plan:
    """Build the full plan, and select from it what was asked for."""
    law, law_source = _law(target, asked)
    declared = asked.conventions.over(target.conventions)
    asked = replace(asked, shapes=_shapes(asked.shapes, declared))
    if target.steps:  # what is handed over is a step, whatever the caller declares
        declared = replace(declared, rate_argument="rate")
    conventions = _with_room(declared, law, asked.shapes)
    if is_indirect(law):
        conventions = _readable(law, conventions, asked.dtypes)
    asked = replace(asked, rates=_rates(asked.rates, conventions))
    dtypes = _finest_first(asked.dtypes or conventions.dtypes)
    streams = plan_streams(target, law, conventions, asked, dtypes)
    full = Plan(
        target=target.name,
        spec=target.spec,
        law=law,
        law_source=law_source,
        conventions=conventions,
        asked=asked,
        cases=_cases(
            _asked_of(target, law, conventions), conventions, asked.rates, dtypes, streams
        ),
        streams=streams,
        shapes=_probe_shapes(law.sharing, conventions, asked.shapes),
        large_shape=_large_shape(law.sharing, conventions, asked.shapes),
    )
    for one in asked.expected:
        require_planned(one, [planned.case for planned in full.cases])
    return full.selected()


def _law(target: Target, asked: Asked) -> tuple[AnyLaw, str]:
    if asked.law:
        return asked.law, "argument"
    return (target.law, "target") if target.law else (Inverted(), "assumed")


def _shapes(
    asked: tuple[tuple[int, ...], ...] | None, conventions: Conventions
) -> tuple[tuple[int, ...], ...] | None:
    """The shapes of the run: those that were asked for, or those that are fixed; None: any."""
    fixed = conventions.shapes
    other = [shape for shape in asked or () if fixed and shape not in fixed]
    if other:
        raise UsageError(
            f"the target takes the shapes {fixed} alone (Conventions(shapes=...)), not {other[0]}"
        )
    return asked or fixed


def _with_room(
    conventions: Conventions, law: AnyLaw, given: tuple[tuple[int, ...], ...] | None
) -> Conventions:
    """Leave out the dimensions that are too few for the units of the law."""
    least, (low, high) = law.sharing.least_ndim, conventions.ndims
    asked = [(len(shape), f"the shape {shape}") for shape in given or ()]
    for ndim, where in [(high, f"Conventions(ndims={conventions.ndims})"), *asked]:
        if ndim < least:
            raise UsageError(
                f"units of the law {law} need calls of {least} dimensions or more, but {where} "
                "has fewer: ask for other shapes, or declare another unit"
            )
    return replace(conventions, ndims=(max(low, least), high))


def _readable(
    law: Indirect, conventions: Conventions, asked: tuple[str, ...] | None
) -> Conventions:
    """Leave out what cannot be told of noise that is no factor: half precision, other rates."""
    unread = () if law.in_half else HALVES
    halves = [name for name in asked or () if name in unread]
    kept = tuple(name for name in conventions.dtypes if name not in unread)
    if halves or not kept:
        raise UsageError(
            f"under the law {law} noise is read from differences, which have too few digits in "
            f"{' and '.join(halves or conventions.dtypes)}: ask for float32 or float64"
        )
    return replace(conventions, dtypes=kept, rates=conventions.rates or law.fixed_rates())


def _rates(asked: tuple[float, ...], conventions: Conventions) -> tuple[float, ...]:
    """The rates of the run: those that were asked for, or those that are fixed."""
    if conventions.rates is None:
        return asked
    if asked == DEFAULT_RATES:
        return conventions.rates
    for rate in asked:
        if not conventions.allows(rate):
            raise UsageError(
                f"the target can be asked for the rates {conventions.rates} alone "
                f"(Conventions(rates=...)), not for {rate:g}"
            )
    return asked


def _finest_first(dtypes: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(dict.fromkeys(dtypes), key=lambda name: name != "float32"))


def _asked_of(target: Target, law: AnyLaw, conventions: Conventions) -> tuple[checks.Check, ...]:
    """All stream checks, whose streams say which of them they are for, and some probes."""

    def is_asked(check: checks.Check) -> bool:
        if isinstance(check, checks.StreamCheck):
            return True
        fixed = check.own_rates and conventions.rates
        return law.kind in check.laws and not fixed and bool(target.steps or not check.scheduled)

    return tuple(check for check in checks.ALL if is_asked(check))


def _cases(
    asked: Sequence[checks.Check],
    conventions: Conventions,
    rates: Sequence[float],
    dtypes: Sequence[str],
    streams: Sequence[StreamPlan],
) -> tuple[PlannedCase, ...]:
    known = next(filter(None, map(inner, (rates, conventions.rates or ()))), [0.3])
    middle = sorted(known)[len(known) // 2]
    usual = [stream.setting for stream in streams if stream.kind == "usual"]
    places: dict[str, list[tuple[float | None, str]]] = {
        "once": [(middle, dtypes[0])],
        "dtype": [(middle, dtype) for dtype in dtypes],
        "rate and dtype": [(setting.rate, setting.dtype) for setting in usual],
        "rate 0": [(0.0, dtype) for dtype in dtypes if conventions.allows(0.0)],
        "rate 1": [(1.0, dtype) for dtype in dtypes if conventions.allows(1.0)],
    }
    cases: list[PlannedCase] = []
    for check in asked:
        if isinstance(check, checks.StreamCheck):
            cases += [_planned(check, stream) for stream in streams if check.id in stream.judges]
        else:
            at = places[check.places]
            cases += [PlannedCase(Case(check.id, dtype, rate)) for rate, dtype in at]
    return tuple(cases)


def _planned(check: checks.StreamCheck, stream: StreamPlan) -> PlannedCase:
    setting = stream.setting
    case = Case(check.id, setting.dtype, setting.rate, setting.shape, stream.variant)
    share = setting.share if check.spends else None
    return PlannedCase(case, share, stream.resolution(check.id))


def _probe_shapes(
    sharing: Sharing, conventions: Conventions, given: tuple[tuple[int, ...], ...] | None
) -> tuple[tuple[int, ...], ...]:
    if given:
        return given
    low, high = conventions.ndims
    main = form(sharing, _PROBE_UNITS, conventions.ndims).shape
    others = [sharing.fitting(shape) for shape in _INTERFACE_SHAPES if low <= len(shape) <= high]
    return (main, *others)[: conventions.max_shapes]


def _large_shape(
    sharing: Sharing, conventions: Conventions, given: tuple[tuple[int, ...], ...] | None
) -> tuple[int, ...]:
    if given or conventions.max_shapes is not None:
        return max(_probe_shapes(sharing, conventions, given), key=math.prod)
    return form(sharing, _LARGE_UNITS, conventions.ndims).shape


def _read_by(
    cases: tuple[PlannedCase, ...], streams: tuple[StreamPlan, ...]
) -> tuple[StreamPlan, ...]:
    read = {planned.case.where for planned in cases if planned.case.check in checks.stream_checks}
    return tuple(stream for stream in streams if stream.where in read)
