"""Whole calls in the order in which they were made: what the tables of a stream are fed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dropout_stats.laws import Reading

_WORD = 8  # bytes


@dataclass(frozen=True)
class Block:
    """Consecutive calls of one shape.

    Args:
        first: how many calls were made before.
        shape: shape of each call.
        sources: calls take the inputs 0, 1, ..., sources - 1 in turn.
        packed: their keep masks, 8 units a byte, the first unit in the lowest bit; shape
            (calls, bytes), padded with zeros to whole words.
        kept: units kept in each call.
        bins: scores in each interval, of all calls; empty under a two-valued law.
        wide: bits as `packed`, of scores that are far from 0; of no calls under a two-valued law.
        values: units that took each value, of all calls; empty but under a law of several values.

    """

    first: int
    shape: tuple[int, ...]
    sources: int
    packed: NDArray[np.uint8]
    kept: NDArray[np.int64]
    bins: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    wide: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((0, 0), np.uint8))
    values: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    @property
    def calls(self) -> int:
        """Calls in the block."""
        return len(self.packed)

    @cached_property
    def units(self) -> int:
        """Units in a call."""
        return int(np.prod(self.shape, dtype=np.int64))

    @cached_property
    def words(self) -> NDArray[np.uint64]:
        """The keep masks, 64 units a word, the first unit in the lowest bit."""
        return self.packed.view("<u8")

    @cached_property
    def bits(self) -> NDArray[np.uint8]:
        """The keep masks; shape (calls, units)."""
        return np.unpackbits(self.packed, axis=1, count=self.units, bitorder="little")

    def bits_of(self, calls: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The keep masks of some of the calls; shape (calls, units)."""
        return np.unpackbits(self.packed[calls], axis=1, count=self.units, bitorder="little")

    @cached_property
    def wide_bits(self) -> NDArray[np.uint8]:
        """Which scores are far from 0; shape (calls, units)."""
        return np.unpackbits(self.wide, axis=1, count=self.units, bitorder="little")

    @cached_property
    def kept_by_unit(self) -> NDArray[np.int64]:
        """Calls of the block that keep each unit; shape (units,)."""
        return _total(self.bits)

    def kept_between(self, start: int, stop: int) -> int:
        """Units kept in all calls, among those from one flat index up to another."""
        return int(self.kept.sum()) - self._kept_before(start) - self._kept_from(stop)

    def _kept_before(self, stop: int) -> int:
        bits = np.unpackbits(self.packed[:, : -(-stop // 8)], axis=1, bitorder="little")
        return int(np.count_nonzero(bits[:, :stop]))

    def _kept_from(self, start: int) -> int:
        bits = np.unpackbits(self.packed[:, start // 8 :], axis=1, bitorder="little")
        return int(np.count_nonzero(bits[:, start % 8 :]))

    def part(self, start: int, stop: int | None) -> Block:
        """Some of the calls, as one slices a list."""
        first = self.first + range(self.calls)[start:stop].start
        part = slice(start, stop)
        return Block(first, self.shape, self.sources, self.packed[part], self.kept[part])

    def followed_by(self, other: Block) -> Block:
        """The calls of both, the other's being later."""
        packed = np.concatenate([self.packed, other.packed])
        kept = np.concatenate([self.kept, other.kept])
        return Block(self.first, self.shape, self.sources, packed, kept)

    def calls_of(self, source: int) -> slice:
        """The calls that took one of the inputs."""
        return slice((source - self.first) % self.sources, None, self.sources)

    def kept_by_unit_of(self, source: int) -> NDArray[np.int64]:
        """Calls that took one of the inputs and keep each unit; shape (units,)."""
        return _total(self.bits[self.calls_of(source)])


def block_of(
    readings: Sequence[Reading], first: int, shape: tuple[int, ...], sources: int
) -> Block:
    """Put readings of consecutive calls together."""
    calls, width = len(readings), len(readings[0].packed)
    packed = np.zeros((calls, -(-width // _WORD) * _WORD), np.uint8)
    packed[:, :width] = np.concatenate([r.packed for r in readings]).reshape(calls, width)
    kept = np.array([reading.kept for reading in readings], np.int64)
    bins = [reading.bins for reading in readings if reading.bins is not None]
    wide = [reading.wide for reading in readings if reading.wide is not None]
    values = [reading.values for reading in readings if reading.values is not None]
    block = Block(first, shape, sources, packed, kept)
    if values:
        return replace(block, values=np.sum(values, axis=0))
    if bins:
        return replace(block, bins=np.sum(bins, axis=0), wide=np.stack(wide))
    return block


def _total(bits: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Sum over calls, in bytes for as long as they do not overflow: that is much faster."""
    parts = [
        np.add.reduce(bits[start : start + 255], axis=0, dtype=np.uint8)
        for start in range(0, len(bits), 255)
    ]
    return np.sum(parts, axis=0, dtype=np.int64) if parts else np.zeros(bits.shape[1], np.int64)
