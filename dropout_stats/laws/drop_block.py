"""DropBlock: blocks of neighbouring elements are dropped together."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dropout_stats.errors import UsageError
from dropout_stats.laws.blocks import Blocks, Seeds
from dropout_stats.laws.dependent import (
    DependentReader,
    Mask,
    Shown,
    agreement_of_bits,
)
from dropout_stats.laws.normalised import Normalisable
from dropout_stats.laws.reading import AnyReader, Array, unravelled
from dropout_stats.values import require, whole, wrong

Density: TypeAlias = Literal["edges", "plain"]


@dataclass(frozen=True)
class DropBlock(Normalisable):
    """Blocks start with probability gamma at each place; what they cover is dropped.

    Ghiasi, Lin and Le, DropBlock (2018). Along axes 2 and on, of lengths L, a block has the length
    b. A place that can be covered by c blocks along one axis, and by d along the other, is kept
    with probability (1 - gamma)^(c d). It is near 1 - rate: overlaps make it larger, and near edges
    c and d are smaller. A = a in evaluation. So E[A] = a does not hold place by place: where kept
    elements are divided by 1 - rate, E[A] / a is `keep_by_place` over that.

    Args:
        unit: `element`, or the axes among 0 and 1 that share one mask: (1,) for all channels.
        block_size: b; the shortest axis where that is shorter.
        seeds: blocks lie `inside` a call, or start `anywhere` and are cut at its edges.
        density: gamma is rate / b^2 times L^2 / (L - b + 1)^2 (`edges`, as in the paper), or
            rate / b^2 (`plain`); with one factor for each axis.
        normalised: whether kept elements are multiplied by n / k where k of the n elements of a
            call were kept, as in the paper, and not by 1 / (1 - rate).

    """

    name: ClassVar[str] = "drop-block"
    fixes_count: ClassVar[bool] = False

    block_size: int = field(default=7, kw_only=True)
    seeds: Seeds = field(default="inside", kw_only=True)
    density: Density = field(default="edges", kw_only=True)
    normalised: bool = field(default=True, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            whole("block_size", self.block_size) >= 1, "block_size", self.block_size, "1 or more"
        )
        if self.seeds not in ("inside", "anywhere"):
            raise wrong("seeds", self.seeds, "'inside' or 'anywhere'")
        if self.density not in ("edges", "plain"):
            raise wrong("density", self.density, "'edges' or 'plain'")
        if self.unit != "element" and not (
            isinstance(self.unit, tuple) and set(self.unit) <= {0, 1}
        ):
            raise wrong("unit", self.unit, "'element', or axes among 0 and 1 such as (1,)")
        if self.rate_bits is not None:
            raise UsageError("rate_bits is for units that draw independently; a block has none")

    @property
    def sharing(self) -> Blocks:
        """Which elements share one draw."""
        return Blocks(self.unit, self.block_size, self.seeds)

    def gamma(self, lengths: tuple[int, ...], rate: float) -> float:
        """The probability that a block starts at a place, where axes with blocks are so long."""
        side = self.sharing.side(lengths)
        edges = [length / (length - side + 1) if length else 1.0 for length in lengths]
        factor = math.prod(edges) if self.density == "edges" else 1.0
        return min(1.0, rate * factor / float(side) ** len(lengths))

    def mean(self, rate: float) -> float:
        """1: of a place that is kept with 1 - rate, as masks are read; see `keep_by_place`."""
        return super().mean(rate)

    def variance(self, rate: float) -> float:
        """Of such a place."""
        return super().variance(rate)

    def keep_by_place(self, lengths: tuple[int, ...], rate: float) -> NDArray[np.float64]:
        """The probability that each place is kept: (1 - gamma)^(c d)."""
        return _keep_by_place(self, lengths, rate)

    def sample(
        self, rng: np.random.Generator, shape: tuple[int, ...], rate: float
    ) -> NDArray[np.bool_]:
        """Draw a keep mask with one entry for each element, or each that share one mask."""
        kept_dims = self.sharing.kept_dims(shape)
        lengths = shape[2:]
        side = self.sharing.side(lengths)
        starts = rng.random((*kept_dims[:2], *self._starts(lengths))) < self.gamma(lengths, rate)
        return np.asarray(~self._covered(starts, lengths, side))

    def reader(self, x: Array, rate: float, dtype: str, *, peers: bool = False) -> AnyReader:
        """Prepare the reading of outputs of type `dtype` for this input; rate below 1."""
        reader = super().reader(x, rate, dtype, peers=peers)
        return DependentReader(self, reader, x, rate, peers=peers)

    def independent(self, mask: Mask, rate: float, rng: np.random.Generator) -> Shown:
        """Read places one block length apart, from a random one on.

        They are kept with known probabilities; as much is kept or dropped beside as makes them all
        1 - rate.
        """
        sharing = self.sharing
        first = sharing.first_spatial
        lengths = mask.shape[first:]
        starts = [int(rng.integers(room)) for room in sharing.room(lengths)]
        grid = sharing.grid(lengths, starts)
        kept = mask[(*(slice(None),) * first, *grid)]
        chances = np.broadcast_to(self.keep_by_place(lengths, rate)[grid], kept.shape)
        # A number that is uniform in [0, 1) if the place was kept with its probability.
        uniform = rng.random(kept.shape)
        uniform = np.where(kept, uniform * chances, chances + uniform * (1 - chances))
        with np.errstate(divide="ignore"):
            log_chance = float(np.where(kept, np.log(chances), np.log1p(-chances)).sum())
        torn = self._torn(mask, lengths)
        count = int(np.count_nonzero(torn))
        return Shown(
            uniform < 1 - rate,
            log_chance,
            torn=count,
            first_torn=unravelled(torn) if count else None,
        )

    def keep_range(self, shape: tuple[int, ...], rate: float) -> tuple[float, float]:
        """Of the places that may be covered least, and most."""
        chances = self.keep_by_place(shape[2:], rate)
        return (float(chances.min()), float(chances.max())) if chances.size else (1 - rate,) * 2

    def agreement(self, shape: tuple[int, ...], rate: float) -> float:
        """Of places one block length apart alone."""
        sharing, lengths = self.sharing, shape[2:]
        grid = sharing.grid(lengths, [(room - 1) // 2 for room in sharing.room(lengths)])
        each = [agreement_of_bits(float(q)) for q in self.keep_by_place(lengths, rate)[grid].flat]
        masks = math.prod(sharing.draws(shape)[: sharing.first_spatial])
        return masks * math.fsum(each)

    def without_moments(self, shape: tuple[int, ...], rate: float) -> str | None:
        """Blocks cover places unequally, and n / k varies; blocks of one place do neither."""
        low, high = self.keep_range(shape, rate)
        if low == high and not self.normalised:
            return None
        to = f" to {high:.4g}" if low < high else ""
        scaled = " and scaled by n / k of their call" if self.normalised else ""
        return f"places of such a call are kept with probability {low:.4g}{to}{scaled}"

    def _starts(self, lengths: tuple[int, ...]) -> tuple[int, ...]:
        """How many places there are along each axis at which a block may start."""
        side = self.sharing.side(lengths)
        inside = self.seeds == "inside"
        return tuple(length - side + 1 if inside else length for length in lengths)

    def _shift(self, side: int) -> int:
        """How many places before its start a block begins."""
        return 0 if self.seeds == "inside" else side - 1 - side // 2

    def _covered(self, starts: Mask, lengths: tuple[int, ...], side: int) -> Mask:
        """What blocks cover, by where they start."""
        covered, first = starts, starts.ndim - len(lengths)
        for axis, length in enumerate(lengths, first):
            covered = _dilated(covered, axis, length, side, self._shift(side))
        return covered

    def _torn(self, mask: Mask, lengths: tuple[int, ...]) -> Mask:
        """What was dropped, and lies in no block that was dropped whole."""
        side = self.sharing.side(lengths)
        whole_blocks, first = ~mask, mask.ndim - len(lengths)
        for axis, number in enumerate(self._starts(lengths), first):
            whole_blocks = _eroded(whole_blocks, axis, number, side, self._shift(side))
        return np.asarray(~mask & ~self._covered(whole_blocks, lengths, side))


def _dilated(starts: Mask, axis: int, length: int, side: int, shift: int) -> Mask:
    """Along one axis: the places i of which a start among i - side + 1 + shift ... is true.

    A block that starts at s covers s - shift, ..., s - shift + side - 1.
    """
    return _any_of(starts, axis, side - 1 - shift, length, side)


def _eroded(dropped: Mask, axis: int, number: int, side: int, shift: int) -> Mask:
    """Along one axis: the starts whose block, cut at the edges, was dropped whole."""
    return ~_any_of(~dropped, axis, shift, number, side)


def _any_of(mask: Mask, axis: int, before: int, number: int, side: int) -> Mask:
    """Along one axis: whether any is true of `side` in a row, the first of them `before` outside.

    Rows are joined to rows up to twice as long, log2(side) times, over the flat array: what comes
    in from the next line of it lies behind the `number` that are asked for.
    """
    lengths = list(mask.shape)
    lengths[axis] = number + side - 1
    padded = np.zeros(lengths, np.bool_)
    lines = np.moveaxis(padded, axis, -1)
    lines[..., before : before + mask.shape[axis]] = np.moveaxis(mask, axis, -1)
    flat, stride, joined = padded.reshape(-1), math.prod(lengths[axis + 1 :]), 1
    while joined < side:
        step = min(joined, side - joined)
        flat[: -step * stride] |= flat[step * stride :]
        joined += step
    return np.moveaxis(lines[..., :number], -1, axis)


@lru_cache(maxsize=64)
def _keep_by_place(law: DropBlock, lengths: tuple[int, ...], rate: float) -> NDArray[np.float64]:
    side, sharing = law.sharing.side(lengths), law.sharing
    covering = np.ones((1,) * len(lengths))
    for axis, length in enumerate(lengths):
        along = [1] * len(lengths)
        along[axis] = length
        covering = covering * sharing.covering(length, side).reshape(along)
    chances = np.power(1 - law.gamma(lengths, rate), covering)
    chances.flags.writeable = False
    return np.asarray(chances)
