"""The integer tables of one configuration: one stream of calls feeds every counted check."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np

from dropout_stats.checks.block import block_of
from dropout_stats.checks.context import BEYOND_BAND, Counter, Place, Seen, Tally, Tested
from dropout_stats.errors import TargetError
from dropout_stats.evidence.bernoulli import BernoulliTest, Counts, bernoulli_test
from dropout_stats.evidence.budget import Share
from dropout_stats.evidence.normal import NormalTest, Sums, normal_test
from dropout_stats.evidence.repeats import Repeats
from dropout_stats.laws import AnyLaw, Reading, Violation, two_valued, values_of
from dropout_stats.laws.halves import Rounding, rounding_of
from dropout_stats.laws.reading import Array, kept_tolerance

# A correct float32 implementation rounds rate and 1 - rate and draws uniforms on a grid of 2^-23:
# together its keep probability is off by at most 2.4e-7. Nobody is accused of that.
FLOAT32_BAND = 2.0**-22
# The e-values of tables cost more than they can save by an earlier look: a stream that fails is
# drawn on to twice its expected calls all the same.
_WEIGHED_AGAIN = 1.5
CALLS_FOR_POOL = 200  # so many calls show, or exclude, a pool of 4321 masks


def bit_departure(probability: float, resolution: float) -> float:
    """The departure of a bit's probability that is `resolution` standard deviations large."""
    return max(resolution * math.sqrt(probability * (1 - probability)), 4 * FLOAT32_BAND)


def lawful_bits(
    law: AnyLaw, rate: float, rounding: Rounding, departure: float
) -> tuple[float, ...]:
    """The law's keep probability, 1 - rate, and others that are lawful, too.

    Those are its neighbours on a declared grid; of a bit of noise what roundings make of 1/2.
    """
    return rounding.bits(departure) if rounding.bit else law.keep_probs(rate)


@dataclass(frozen=True)
class Setting:
    """What the stream of one configuration is held to. Pure data, fixed before sampling.

    Args:
        law: the declared law.
        rate: the drop rate, inside (0, 1).
        dtype: type of the input.
        output_dtype: declared type of the output.
        shape: shape of each call.
        draws: shape of the draws of a call: without the axes that share one.
        resolution: what to resolve, in standard deviations of one draw.
        departure: the departure of the keep probability that this is.
        factors: what checks without a context are to catch or exclude, by their ids: a factor on
            the variance of a kept count, or a shift of a mean behind a nonlinear unit.
        pool: size of a pool of repeating masks to catch or exclude; 0 where correct masks repeat.
        tests: what is tested of each context, by the id of its check; once for each of the lawful
            keep probabilities.
        expected_calls: calls after which a conforming target is expected to have passed.
        share: the error probability that each counted check of this configuration may spend.
        power: probability of catching each of these departures.

    """

    law: AnyLaw
    rate: float
    dtype: str
    output_dtype: str
    shape: tuple[int, ...]
    draws: tuple[int, ...]
    resolution: float
    departure: float
    factors: Mapping[str, float]
    pool: float
    tests: Mapping[str, tuple[tuple[Tested, ...], ...]]
    expected_calls: int
    share: Share
    power: float

    @property
    def keep_probs(self) -> tuple[float, ...]:
        """The lawful keep probabilities: see `lawful_bits`."""
        return lawful_bits(self.law, self.rate, self.rounding, self.departure)

    @property
    def keep_prob(self) -> float:
        """The law's own: the nearest of them to 1 - rate."""
        return self.keep_probs[0]

    @property
    def units(self) -> int:
        """Units in a call."""
        return math.prod(self.draws)

    @property
    def place(self) -> Place:
        """What a context may know of the configuration."""
        values = values_of(self.law, self.rate)
        return Place(self.draws, self.keep_prob, self.expected_calls, values, self.rounding)

    @property
    def rounding(self) -> Rounding:
        """What computing in its types may change of scores."""
        return rounding_of(self.law, self.rate, self.dtype, self.output_dtype)

    @property
    def tolerance(self) -> float:
        """Relative tolerance of a kept value."""
        return kept_tolerance(self.output_dtype, self.rate)

    def keep_test(self, keep_prob: float) -> BernoulliTest:
        """Return the test of the counts against this keep probability.

        A pass needs one of the lawful ones to be confirmed: they share the chance of a miss.
        """
        missed = (1 - self.power) / len(self.keep_probs)
        return bernoulli_test(keep_prob, self.departure, 1 - missed, FLOAT32_BAND)

    @property
    def score_test(self) -> NormalTest:
        """The test of the normal scores."""
        band = self.rounding.moments
        return normal_test(max(self.resolution, BEYOND_BAND * band), self.power, band)


@dataclass
class Stream:
    """What has been read so far of one configuration.

    Args:
        setting: what it is held to.
        inputs: calls take these inputs in turn.
        tallies: what is counted beside the tables here, by the id of the check that reads it.

    """

    setting: Setting
    inputs: Sequence[Array] = ()
    tallies: Mapping[str, Counter] = field(default_factory=dict)
    evaluation_factor: float | None = None
    calls: int = 0
    counts: Counts = field(default_factory=Counts)
    violations: int = 0
    example: Violation | None = None
    torn: int = 0
    first_torn: tuple[int, ...] | None = None
    miscount: str | None = None
    scores: Sums = field(default_factory=Sums)
    ratios: tuple[float, float] | None = None
    last_was_new: bool = True
    masks_compared: int = 0
    mask_mismatch: str | None = None
    stopped: str | None = None
    broken: TargetError | None = None
    writes_input: bool = False

    def __post_init__(self) -> None:
        self.repeats = Repeats(self.setting.keep_prob)
        self.histogram = np.zeros(self.setting.units + 1, np.int64)
        self.novel_shares: list[float] = []
        self.powers = np.zeros(5)  # number and sums of powers of multipliers, as of a reading
        self._unreadable = False
        self._weighed, self._is_due = 0, True
        self._closed: set[str] = set()
        self._seen: dict[str, tuple[int, Seen]] = {}
        self.dependences: list[str] = []
        self.crashed: dict[str, Exception] = {}  # by the id of the check that broke

    @property
    def is_long_enough(self) -> bool:
        """Whether what cannot be told by now will not be told at all."""
        return self.calls >= min(CALLS_FOR_POOL, self.setting.expected_calls)

    @property
    def weighs(self) -> bool:
        """Whether the evidence of tables is weighed at this look even if they cannot pass yet."""
        return self._is_due or self.stopped is not None

    def add(self, readings: Sequence[Reading]) -> None:
        """Take whole calls, in the order in which they were made."""
        if not readings:
            return
        units = self.setting.units
        kept = [reading.kept for reading in readings]
        new = [self.repeats.add(r.digest, units, r.kept, r.log_chance) for r in readings]
        self.novel_shares += [
            number / units for number, fresh in zip(kept, new, strict=True) if fresh
        ]
        self.last_was_new = new[-1] if new else self.last_was_new
        self.histogram += np.bincount(kept, minlength=units + 1)
        self.calls += len(readings)
        self._is_due = self.calls >= _WEIGHED_AGAIN * self._weighed
        self._weighed = self.calls if self._is_due else self._weighed
        self.counts += Counts(units * len(readings), sum(kept))
        for reading in readings:
            if reading.violations or reading.torn or reading.miscount:
                self._note(reading)
        if readings[0].scores:
            self.scores += sum((Sums(*r.scores) for r in readings if r.scores), Sums())
            self.powers += sum(r.powers for r in readings if r.powers is not None)
        self._tally(readings)

    def _tally(self, readings: Sequence[Reading]) -> None:
        tallies = {c: tally for c, tally in self.tallies.items() if c not in self._closed}
        if not tallies:
            return
        first = self.calls - len(readings)
        block = block_of(readings, first, self.setting.draws, max(len(self.inputs), 1))
        for check, tally in tallies.items():
            try:
                tally.add(block)
            except Exception as error:  # noqa: BLE001 - the tables of the others are whole
                self.crashed[check] = error
                self._closed.add(check)

    def seen(self, check: str) -> Seen:
        """The tally of a context against its tests, as it stands after the calls so far."""
        calls, seen = self._seen.get(check, (-1, None))
        if seen is None or calls != self.calls:
            seen = self._look(check)
            self._seen[check] = (self.calls, seen)
        return seen

    def _look(self, check: str) -> Seen:
        tally = cast("Tally", self.tallies[check])
        tables = tally.tables()
        lawful = self.setting.keep_probs
        nearest = min(range(len(lawful)), key=lambda n: abs(lawful[n] - self.counts.share))
        tests = self.setting.tests[check]
        return Seen(tests[0], tests[nearest], tables, tally.surplus(tables))

    def close(self, check: str, *, dependent: bool, read_on: bool = False) -> None:
        """Read no further calls for a check that is decided; it may have shown dependence.

        `read_on`: read them all the same, since another check judges the same tables.
        """
        self._closed |= set() if read_on else {check}
        self.dependences += [check] if dependent else []

    def compare_mask(self, reading: Reading, mask: Array) -> None:
        """Hold the mask that the target returned to the one that its output shows."""
        self.masks_compared += 1
        if self.mask_mismatch is not None:
            return
        sharing, shape = self.setting.law.sharing, self.setting.shape
        if mask.shape not in (shape, sharing.kept_dims(shape)):
            self.mask_mismatch = f"has shape {mask.shape}; expected {shape}"
            return
        kept = np.broadcast_to(reading.mask().reshape(sharing.kept_dims(shape)), shape)
        differs = (np.broadcast_to(mask, shape) != 0) != kept
        if differs.any():
            index = tuple(int(i) for i in np.unravel_index(int(differs.argmax()), shape))
            self.mask_mismatch = (
                f"disagrees with the output at {int(differs.sum())} of {differs.size} places, "
                f"first at index {index}: the mask holds {np.broadcast_to(mask, shape)[index]!s}, "
                f"but the unit was {'kept' if kept[index] else 'dropped'}"
            )

    def kept_factor(self) -> float | None:
        """Output over input of a kept unit: the law's, or the one wrong value; None if several."""
        if not self.violations:
            return two_valued(self.setting.law).kept_factor(self.setting.rate)
        if self._unreadable or self.ratios is None:
            return None
        low, high = self.ratios
        middle = (low + high) / 2
        # Values of which some are right and some wrong are not one factor.
        if high - low > 4 * self.setting.tolerance * abs(middle):
            return None
        return middle

    def _note(self, reading: Reading) -> None:
        self.torn += reading.torn
        self.miscount = self.miscount or reading.miscount
        self.first_torn = self.first_torn or reading.first_torn
        if not reading.violations:
            return
        self.violations += reading.violations
        self.example = self.example or reading.example
        if reading.ratios is None:
            self._unreadable = True
            return
        low, high = self.ratios or reading.ratios
        self.ratios = (min(low, reading.ratios[0]), max(high, reading.ratios[1]))
