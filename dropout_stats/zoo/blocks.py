"""Blocks of neighbours are dropped together, and where that goes wrong."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from dropout_stats.laws import AnyLaw, DropBlock
from dropout_stats.laws.reading import Array
from dropout_stats.zoo.core import Core, Mask
from dropout_stats.zoo.counts import ScaledByTheShare
from dropout_stats.zoo.faults import (
    AtHalfTheRate,
    DrawnAgainInBackward,
    DrawnFor,
    DrawnInEvaluation,
    NotScaled,
)
from dropout_stats.zoo.specimen import correct, wrong

_OTHERWISE = "units share their draws otherwise than declared"
_DEPENDENT = "units do not draw independently"
_DISAGREES = "the backward pass disagrees with its forward pass"
_DENSITY = "blocks start with another probability than declared"
_NOISY = "dropping in evaluation"


@correct
class DropBlockCore(ScaledByTheShare):
    """DropBlock as in the paper, with blocks of three places along each axis."""

    law: ClassVar[AnyLaw] = DropBlock(block_size=3)

    def draw(self, shape: tuple[int, ...], rate: float) -> Mask:
        lengths = shape[2:]
        side = max(1, min(3, *lengths))
        starts = self.starts(shape, lengths, side, rate)
        return np.asarray(self.without(starts, shape, side))

    def starts(
        self, shape: tuple[int, ...], lengths: tuple[int, ...], side: int, rate: float
    ) -> Mask:
        """Draw where blocks start."""
        places = tuple(length - side + 1 for length in lengths)
        return np.asarray(
            self.rng.random((*shape[:2], *places)) < self.density(lengths, side, rate)
        )

    def density(self, lengths: tuple[int, ...], side: int, rate: float) -> float:
        """The probability that a block starts at a place."""
        places = np.array(lengths, float)
        return float(rate * np.prod(places / (places - side + 1)) / side ** len(lengths))

    def without(self, starts: Mask, shape: tuple[int, ...], side: int) -> Any:
        """Drop what blocks cover."""
        return np.asarray(self.covers(starts, shape, side) == 0)

    def covers(self, starts: Mask, shape: tuple[int, ...], side: int) -> Array:
        """How many blocks cover each place."""
        number = np.zeros(shape, np.int64)
        for step in np.ndindex(*(side,) * (len(shape) - 2)):
            ends = zip(step, starts.shape[2:], strict=True)
            places = [slice(at, at + length) for at, length in ends]
            number[(slice(None), slice(None), *places)] += starts
        return number


@correct
class DropBlockAnywhere(Core):
    """DropBlock whose blocks are cut at the edges, for all channels at once, by a max filter."""

    law: ClassVar[AnyLaw] = DropBlock(
        unit=(1,), block_size=3, seeds="anywhere", density="plain", normalised=False
    )

    def draw(self, shape: tuple[int, ...], rate: float) -> Mask:
        from scipy.ndimage import maximum_filter

        side = max(1, min(3, *shape[2:]))
        starts = self.uniforms(shape) < rate / side ** len(shape[2:])
        size = (1, 1, *(side,) * len(shape[2:]))
        return np.asarray(maximum_filter(starts, size, mode="constant", cval=0) == 0)


@wrong("frgfm/holocron#156", killed_by="rate.marginal", diagnosis=_DENSITY)
class BlockRateIsIgnored(DropBlockCore):
    """Blocks start with the probability that belongs to the rate 0.2, whatever the rate."""

    def density(self, lengths: tuple[int, ...], side: int, rate: float) -> float:
        return super().density(lengths, side, 0.2)


@wrong(killed_by="support.shared_draw", diagnosis=_OTHERWISE)
class ElementsOfABlockDrawApart(DropBlockCore):
    """Plain dropout: each element has a draw of its own."""

    draw = Core.draw


@wrong("miguelvr/dropblock#15", killed_by="support.shared_draw", diagnosis=_OTHERWISE)
class BlocksAreShifted(DropBlockCore):
    """The padding is off by one, so that blocks lie one place further along the last axis."""

    def without(self, starts: Mask, shape: tuple[int, ...], side: int) -> Any:
        mask = super().without(starts, shape, side)
        shifted = np.ones_like(mask)
        shifted[..., 1:] = mask[..., :-1]
        return shifted


@wrong("miguelvr/dropblock#24", killed_by="dependence.axes", diagnosis=_DEPENDENT)
class ChannelsShareTheirBlocks(DropBlockCore):
    """One mask serves all channels of a sample; each should have its own."""

    def starts(
        self, shape: tuple[int, ...], lengths: tuple[int, ...], side: int, rate: float
    ) -> Mask:
        one = super().starts((shape[0], 1, *shape[2:]), lengths, side, rate)
        return one.repeat(shape[1], 1)


@wrong(
    "miguelvr/dropblock#8",
    killed_by="support.kept_value",
    diagnosis="kept values have no common factor",
)
class BlocksThatOverlapAreSubtractedTwice(DropBlockCore):
    """The mask is 1 less the number of blocks: negative where blocks overlap."""

    def without(self, starts: Mask, shape: tuple[int, ...], side: int) -> Any:
        return 1 - self.covers(starts, shape, side)

    def apply(self, x: Array, mask: Any, rate: float) -> Array:
        if rate == 1:
            return np.zeros_like(x)
        factor = mask.size / max(1, int(np.count_nonzero(mask > 0)))
        return np.asarray((x * mask * factor).astype(x.dtype))


@wrong(killed_by="rate.marginal", diagnosis=_DENSITY)
class DensityForgetsTheEdges(DropBlockCore):
    """Blocks start as often as if they could start anywhere: the edges are too often kept."""

    def density(self, lengths: tuple[int, ...], side: int, rate: float) -> float:
        return float(rate / side ** len(lengths))


@wrong(
    killed_by="support.kept_value",
    diagnosis="kept units are not scaled by the share that was kept",
)
class BlocksAreScaledByKeepProb(DropBlockCore):
    """Kept elements are divided by 1 - rate, though blocks drop another share of each call."""

    def of_call(self, mask: Mask, rate: float) -> float:
        return 1 / (1 - rate)


@wrong(killed_by="gradient.same_noise", diagnosis=_DISAGREES)
class FreshBlocksInBackward(DrawnAgainInBackward, DropBlockCore):
    """The backward pass drops blocks of its own."""


@wrong(killed_by="inference.deterministic", diagnosis=_NOISY)
class BlocksInEvaluation(DrawnInEvaluation, DropBlockCore):
    """The evaluation pass drops blocks, too."""


@wrong(killed_by="support.shared_draw", diagnosis=_OTHERWISE)
class ChannelsHaveTheirOwnBlocks(DrawnFor, DropBlockAnywhere):
    """Each channel has a mask of its own; all of a sample should have one."""


@wrong(killed_by="rate.marginal", diagnosis=_DENSITY)
class BlocksAnywhereHaveHalfTheRate(AtHalfTheRate, DropBlockAnywhere):
    """Blocks that are cut at the edges start half as often, and the scale belongs to that."""


@wrong(killed_by="support.kept_value", diagnosis="no scaling")
class BlocksAnywhereAreNotScaled(NotScaled, DropBlockAnywhere):
    """What blocks that are cut at the edges leave is not scaled."""


@wrong(killed_by="gradient.same_noise", diagnosis=_DISAGREES)
class FreshBlocksAnywhereInBackward(DrawnAgainInBackward, DropBlockAnywhere):
    """The backward pass drops blocks, which are cut at the edges, of its own."""


@wrong(killed_by="inference.deterministic", diagnosis=_NOISY)
class BlocksAnywhereInEvaluation(DrawnInEvaluation, DropBlockAnywhere):
    """The evaluation pass drops blocks that are cut at the edges, too."""
