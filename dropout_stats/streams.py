"""Which streams a run draws, and what each is held to. Pure data, fixed before sampling.

The usual streams, one a rate and type, are judged by nearly all counted checks. Beside them, at one
rate and type, there are short ones in other ranks, one of tiny calls and one of peers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from dropout_stats import checks, dtypes
from dropout_stats.checks.check import StreamKind
from dropout_stats.checks.context import Place, plan_tests
from dropout_stats.checks.dispersion import row_length
from dropout_stats.checks.nonlinear import ID as NONLINEAR
from dropout_stats.checks.peers import PEERS
from dropout_stats.checks.stream import CALLS_FOR_POOL, Setting, bit_departure, lawful_bits
from dropout_stats.checks.unit import smallest_shift
from dropout_stats.conventions import Conventions
from dropout_stats.errors import UsageError
from dropout_stats.evidence.budget import Share, split
from dropout_stats.evidence.dispersion import resolvable_factor
from dropout_stats.evidence.repeats import chance_of_repeat, pool_excluded_by
from dropout_stats.evidence.sizes import CONFORMING_FACTOR, cap, fixed_sample
from dropout_stats.laws import AnyLaw, SeveralValued, is_two_valued, values_of
from dropout_stats.laws.dependent import agreement
from dropout_stats.laws.halves import rounding_of
from dropout_stats.laws.sharing import Sharing
from dropout_stats.options import DEFAULT_RESOLUTION, Asked
from dropout_stats.results import place_name
from dropout_stats.target import Target

_LARGEST_INPUT = 8.0  # of float16, the one type in which its products may be too large
COARSER = 8.0  # the other dtypes share the code of the first: they are read more coarsely
LOOKS = 100
_CALL_UNITS = 16 * 1024
_CALLS_AIMED_AT = 256
_LEAST_CALL_UNITS = 256
_LEAST_CALLS = 64
_LEAST_COUNT_VARIANCE = 16.0
_REPEATS_BY_CHANCE = 1e-6
_SHORT_CALLS, _SHORT_UNITS = 256, 4096  # of a stream in another rank
# A look at thousands of units costs more than a call.
_CALLS_A_LOOK = 16
_FEWEST_LOOKS = 8  # by the expected end
_LEAST_SHORT_CALLS = 128  # a unit that is never dropped shows by then
_ODD_UNITS = 4099  # a prime: blocks of any size leave a tail
_TINY_CALLS, _TINY_UNITS = 1024, (2, 3, 4)
_CAP = 6  # times the expected calls, where the rate does not say


@dataclass(frozen=True)
class StreamPlan:
    """How one configuration is sampled.

    Args:
        setting: what its tables are held to.
        kind: what kind of stream it is.
        variant: what is special about its calls; empty for a usual one.
        judges: ids of the checks that judge it.
        cap_calls: the stream gives up after so many calls.
        look_every: calls between two looks at the tables.

    """

    setting: Setting
    kind: StreamKind
    variant: str
    judges: tuple[str, ...]
    cap_calls: int
    look_every: int

    @property
    def where(self) -> str:
        """The configuration in short, as its cases have it."""
        return place_name(self.setting.rate, self.setting.dtype, self.variant)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of the input of one call; peers share it."""
        shape = self.setting.shape
        return shape[1:] if self.kind == "peers" else shape

    @property
    def expected_calls(self) -> int:
        """Calls after which a conforming target is expected to have passed."""
        return self.setting.expected_calls

    def resolution(self, check: str) -> float | None:
        """The departure that a check is planned to catch; None where it is exact or has none."""
        setting = self.setting
        named = [t.test.size for t in setting.tests.get(check, ((),))[0] if t.named]
        known = {
            "rate.marginal": setting.departure,
            "noise.marginal": setting.score_test.departure,
            "calls.repeated_mask": setting.pool,
        }
        return max(named) if named else {**known, **setting.factors}.get(check)


class _Draft(NamedTuple):
    """A stream before its share of the error budget is known."""

    kind: StreamKind
    variant: str
    rate: float
    dtype: str
    resolution: float
    form: Form | None = None
    calls: int | None = None

    def judges(self, law: AnyLaw) -> tuple[checks.StreamCheck, ...]:
        """The checks that judge a stream of this kind; of a special one, those that it is for."""
        of_kind = [
            check
            for check in checks.stream_checks.values()
            if self.kind in check.on and law.kind in check.laws
        ]
        if self.form is None:
            return tuple(of_kind)
        place = Place(self.form.draws, law.keep_probs(self.rate)[0], 1)
        return tuple(c for c in of_kind if c.context is None or c.context.groups(place))


def plan_streams(
    target: Target, law: AnyLaw, conventions: Conventions, asked: Asked, names: Sequence[str]
) -> tuple[StreamPlan, ...]:
    """Plan every stream; `names` has the type that is read most finely first."""
    drafts = [
        _Draft("usual", "", rate, dtype, _resolution(asked, first=dtype == names[0]))
        for dtype in names
        for rate in inner(asked.rates)
    ]
    if drafts:
        drafts += _special(target, law, conventions, asked, names[0])
    spending = sum(check.spends for draft in drafts for check in draft.judges(law))
    share = split(asked.false_alarm, spending)
    return tuple(_planned(draft, law, conventions, asked, share) for draft in drafts)


def _resolution(asked: Asked, *, first: bool) -> float:
    return asked.resolution if first else min(asked.resolution * COARSER, 0.5)


def inner(rates: Sequence[float]) -> list[float]:
    """Those at which units are dropped and kept."""
    return [rate for rate in rates if 0 < rate < 1]


def _special(
    target: Target, law: AnyLaw, conventions: Conventions, asked: Asked, dtype: str
) -> Iterator[_Draft]:
    """Streams that are drawn once; none where the caller or the target says which shapes."""
    sharing, rates, resolution = law.sharing, sorted(inner(asked.rates)), asked.resolution
    middle = rates[len(rates) // 2]
    calls = max(_LEAST_SHORT_CALLS, int(_SHORT_CALLS * min(1, DEFAULT_RESOLUTION / resolution)))
    if target.peers and conventions.peers == "independent":
        one = form(sharing, _SHORT_UNITS // PEERS, conventions.ndims)
        peers = Form((PEERS, *one.shape), (PEERS, *one.draws))
        yield _Draft("peers", "peers", middle, dtype, resolution, peers, calls)
    if asked.shapes or conventions.max_shapes is not None:
        return
    low, high = conventions.ndims
    usual = usual_rank(sharing, conventions.ndims)
    for rank in (1, 2, 3, 4, 5):
        if low <= rank <= high and rank != usual:
            special = form(sharing, _SHORT_UNITS, (rank, rank), odd=_ODD_UNITS)
            yield _Draft("rank", f"rank{rank}", middle, dtype, resolution, special, calls)
    if usual == max(2, sharing.least_ndim):
        rate, units = max(
            ((rate, units) for rate in rates for units in _TINY_UNITS),
            key=lambda pair: -abs((1 - law.keep_probs(pair[0])[0]) ** pair[1] - 0.5),
        )
        draws = (1,) * (usual - len(sharing.axes(usual)) - 1) + (units,)
        tiny = Form(sharing.call_shape(draws, usual), draws)
        yield _Draft("tiny", "tiny", rate, dtype, resolution, tiny, _TINY_CALLS)


def _planned(
    draft: _Draft, law: AnyLaw, conventions: Conventions, asked: Asked, share: Share
) -> StreamPlan:
    output_dtype, power = conventions.output_dtype(draft.dtype), asked.power
    rounding = rounding_of(law, draft.rate, draft.dtype, output_dtype)
    if rounding.hides_noise:
        raise UsageError(
            f"at rate {draft.rate:g} the noise of {law} is finer than the numbers of "
            f"{draft.dtype}, so that outputs do not show it: ask for higher rates, or for float32"
        )
    largest = dtypes.precision(output_dtype).largest
    if is_two_valued(law) and law.kept_factor(draft.rate) * _LARGEST_INPUT > largest:
        raise UsageError(
            f"at rate {draft.rate:g} kept values, {law.kept_factor(draft.rate):g} times the input, "
            f"are more than {output_dtype} can hold: ask for lower rates, or for float32"
        )
    keep_prob = law.keep_probs(draft.rate)[0]
    departure = bit_departure(keep_prob, draft.resolution)
    lawful = lawful_bits(law, draft.rate, rounding, departure)
    power_of_one = 1 - (1 - power) / len(lawful)  # see Setting.keep_test
    fixed = fixed_sample(keep_prob, departure, share.probability, power_of_one)
    shape, draws = draft.form or _stream_form(
        law.sharing, conventions, asked.shapes, fixed, keep_prob
    )
    units = math.prod(draws)
    if draft.calls:
        expected, cap_calls = draft.calls, _CAP * draft.calls
    else:
        most = cap(keep_prob, departure, share.probability, power_of_one)
        cap_calls = max(math.ceil(most / units), _LEAST_CALLS)
        expected = max(math.ceil(CONFORMING_FACTOR * fixed / units), _LEAST_CALLS // 2)
    if isinstance(law, SeveralValued):
        law.told_apart(draft.rate, output_dtype)
    place = Place(draws, keep_prob, expected, values_of(law, draft.rate), rounding)
    scale = max(1.0, draft.resolution / DEFAULT_RESOLUTION)
    setting = Setting(
        law=law,
        rate=draft.rate,
        dtype=draft.dtype,
        output_dtype=output_dtype,
        shape=shape,
        draws=draws,
        resolution=draft.resolution,
        departure=departure,
        factors={
            **_factors(place, cap_calls),
            NONLINEAR: smallest_shift(place.units, keep_prob, expected, power_of_one),
        },
        pool=_pool(expected, cap_calls, _agreement(draft, law, shape), power),
        tests={
            check.id: tuple(
                plan_tests(check.context, replace(place, keep_prob=q), scale, power_of_one)
                for q in lawful
            )
            for check in draft.judges(law)
            if check.context
        },
        expected_calls=expected,
        share=share,
        power=power,
    )
    judges = tuple(check.id for check in draft.judges(law))
    few = expected // _FEWEST_LOOKS
    look_every = few if draft.calls else max(cap_calls // LOOKS, min(_CALLS_A_LOOK, few))
    return StreamPlan(setting, draft.kind, draft.variant, judges, cap_calls, max(1, look_every))


def _factors(place: Place, cap_calls: int) -> dict[str, float]:
    """The variance factors to exclude; inf where the cap is too soon for any."""
    row = row_length(place.shape)
    rows = place.units // row
    return {
        "calls.count_dispersion": _factor(
            place.units, place.keep_prob, place.expected_calls, cap_calls
        ),
        "dependence.row_dispersion": _factor(
            row, place.keep_prob, place.expected_calls * rows, cap_calls * rows
        ),
    }


def _factor(units: int, keep_prob: float, expected: int, most: int) -> float:
    factor = resolvable_factor(units, keep_prob, expected)
    return factor if math.isfinite(factor) else resolvable_factor(units, keep_prob, most // 2)


def _agreement(draft: _Draft, law: AnyLaw, shape: tuple[int, ...]) -> float:
    """The log-probability that the masks of two calls agree; of all their peers together."""
    peers, own = (shape[0], shape[1:]) if draft.kind == "peers" else (1, shape)
    return peers * agreement(law, own, draft.rate)


def _pool(expected: int, cap_calls: int, log_agreement: float, power: float) -> float:
    """The pool of masks to exclude; 0 where correct masks are so short that they repeat, too."""
    if chance_of_repeat(cap_calls, log_agreement) > _REPEATS_BY_CHANCE:
        return 0.0
    return pool_excluded_by(min(expected, CALLS_FOR_POOL), power)


class Form(NamedTuple):
    """Shape of a call, and shape of its draws."""

    shape: tuple[int, ...]
    draws: tuple[int, ...]


def _stream_form(
    sharing: Sharing,
    conventions: Conventions,
    given: tuple[tuple[int, ...], ...] | None,
    fixed: int,
    keep_prob: float,
) -> Form:
    """Calls small enough that there are many, and large enough that the kept count varies."""
    if given:
        shape = max(given, key=math.prod)
        return Form(shape, sharing.draws(shape))
    if conventions.max_shapes is not None:
        return form(sharing, _CALL_UNITS, conventions.ndims)
    aim = max(
        CONFORMING_FACTOR * fixed / _CALLS_AIMED_AT,
        _LEAST_COUNT_VARIANCE / (keep_prob * (1 - keep_prob)),
        _LEAST_CALL_UNITS,
    )
    units = min(2 ** round(math.log2(aim)), _CALL_UNITS)
    return form(sharing, units, conventions.ndims)


def usual_rank(sharing: Sharing, ndims: tuple[int, int]) -> int:
    """Dimensions of a usual call: two, or as near to it as the law and the target take."""
    return min(max(2, sharing.least_ndim, ndims[0]), ndims[1])


def form(sharing: Sharing, units: int, ndims: tuple[int, int], odd: int | None = None) -> Form:
    """A call with so many units (a power of 2), or about as many (`odd`) if they lie in a row."""
    rank = usual_rank(sharing, ndims)
    own = rank - len(sharing.axes(rank))
    draws = (odd,) if odd and own == 1 else _draws(units, own)
    return Form(sharing.call_shape(draws, rank), draws)


def _draws(units: int, rank: int) -> tuple[int, ...]:
    if rank == 0:
        return ()
    if rank == 2:
        return (16, units // 16)
    exponent = units.bit_length() - 1
    parts = [exponent // rank + (axis < exponent % rank) for axis in range(rank)]
    return tuple(2**part for part in parts)
