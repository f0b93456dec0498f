"""Fixed numbers of units and whole blocks: masks whose units do not draw independently."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from dropout_stats.laws import AnyLaw, DropBlock, ExactCount
from dropout_stats.laws.reading import Array
from dropout_stats.zoo.core import Core, Mask
from dropout_stats.zoo.specimen import correct, wrong

_NUMBER = "another number of units is kept than declared"
_OTHERWISE = "units share their draws otherwise than declared"
_DEPENDENT = "units do not draw independently"
_DISAGREES = "the backward pass disagrees with its forward pass"
_DENSITY = "blocks start with another probability than declared"


class _Chooses(Core):
    """Masks are drawn whole, by the law."""

    def mask(self, shape: tuple[int, ...], rate: float) -> Mask:
        if rate in (0, 1):
            return np.full(self.law.sharing.kept_dims(shape), rate == 0)
        return self.choose(shape, rate)

    def choose(self, shape: tuple[int, ...], rate: float) -> Mask:
        """Draw a keep mask at a rate inside (0, 1)."""
        return np.asarray(self.law.sample(self.rng, shape, rate))


@correct
class ExactCountCore(_Chooses):
    """The number of dropped units is fixed: so many are chosen, each choice being as likely."""

    law: ClassVar[AnyLaw] = ExactCount()

    def choose(self, shape: tuple[int, ...], rate: float) -> Mask:
        mask = np.ones(shape, np.bool_)
        places = self.rng.permutation(mask.size)
        mask.reshape(-1)[places[: self.dropped(mask.size, rate)]] = False
        return mask

    def dropped(self, units: int, rate: float) -> int:
        """How many of so many units are dropped."""
        return round(units * rate)


@correct
class ExactCountOfSamples(_Chooses):
    """The same number of units is dropped in each sample, and kept ones are scaled by the share."""

    law: ClassVar[AnyLaw] = ExactCount(within="sample", normalised=True)

    def apply(self, x: Array, mask: Mask, rate: float) -> Array:
        factor = mask.size / max(1, int(mask.sum()))
        return np.asarray(np.where(mask, x * x.dtype.type(factor), x.dtype.type(0)))


@wrong(killed_by="support.count", diagnosis=_NUMBER)
class UnitsDrawApart(ExactCountCore):
    """Each unit is dropped with the rate: the number is right on average alone."""

    def choose(self, shape: tuple[int, ...], rate: float) -> Mask:
        return self.draw(shape, rate)


@wrong(killed_by="support.count", diagnosis=_NUMBER)
class OneMoreIsDropped(ExactCountCore):
    """One unit more is dropped than the rate says: a range that includes its end."""

    def dropped(self, units: int, rate: float) -> int:
        return min(units, round(units * rate) + 1)


@wrong(killed_by="support.count", diagnosis=_NUMBER)
class TheBatchHasTheNumber(ExactCountOfSamples):
    """The number is right in the whole batch, and not in each of its samples."""

    def choose(self, shape: tuple[int, ...], rate: float) -> Mask:
        return np.asarray(ExactCount().sample(self.rng, shape, rate))


@wrong(
    killed_by="rate.marginal",
    diagnosis="keep probability and drop rate swapped in the mask",
)
class KeepsAsManyAsItShouldDrop(ExactCountCore):
    """As many units are kept as should be dropped."""

    def dropped(self, units: int, rate: float) -> int:
        return round(units * (1 - rate))


@wrong(killed_by="dependence.lag", diagnosis=_DEPENDENT)
class DropsPairs(ExactCountCore):
    """Pairs of neighbours are chosen, not units."""

    def choose(self, shape: tuple[int, ...], rate: float) -> Mask:
        mask = np.ones(shape, np.bool_)
        pairs = self.rng.permutation(-(-mask.size // 2))
        places = (2 * pairs[:, None] + np.arange(2)).reshape(-1)
        places = places[places < mask.size]
        mask.reshape(-1)[places[: self.dropped(mask.size, rate)]] = False
        return mask


@wrong(
    killed_by="position.modulus",
    diagnosis="the keep probability depends on the position",
)
class NeverDropsEverySixteenth(ExactCountCore):
    """Every sixteenth unit cannot be chosen; the number that is dropped is right."""

    def choose(self, shape: tuple[int, ...], rate: float) -> Mask:
        mask = np.ones(shape, np.bool_)
        places = self.rng.permutation(mask.size)
        places = places[np.argsort(places % 16 == 15, kind="stable")]
        mask.reshape(-1)[places[: self.dropped(mask.size, rate)]] = False
        return mask


@wrong(killed_by="support.kept_value", diagnosis="no scaling")
class ChoiceIsNotScaled(ExactCountCore):
    """Kept units are not scaled."""

    def scale(self, rate: float) -> float:
        return 1.0


@wrong(killed_by="gradient.same_noise", diagnosis=_DISAGREES)
class ChoosesAgainInBackward(ExactCountCore):
    """The backward pass makes a choice of its own."""

    def backward(self, dy: Array, y: Array, mask: Mask, rate: float) -> Array:
        return self.apply(dy, self.mask(dy.shape, rate), rate)


@wrong(killed_by="moments.noise_mean", diagnosis="scaled in both modes")
class ChoiceIsScaledInEvaluation(ExactCountCore):
    """The evaluation pass multiplies by 1 - rate, as if training had not scaled."""

    def factor(self, rate: float) -> float:
        return 1 - rate


@correct
class DropBlockCore(_Chooses):
    """DropBlock as in the paper, with blocks of three places along each axis."""

    law: ClassVar[AnyLaw] = DropBlock(block_size=3)

    def choose(self, shape: tuple[int, ...], rate: float) -> Mask:
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

    def apply(self, x: Array, mask: Mask, rate: float) -> Array:
        if rate == 1:
            return np.zeros_like(x)
        return np.asarray(
            np.where(mask, x * x.dtype.type(self.of_call(mask, rate)), x.dtype.type(0))
        )

    def of_call(self, mask: Mask, rate: float) -> float:
        """Factor of a kept element."""
        return mask.size / max(1, int(np.count_nonzero(mask)))


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

    def choose(self, shape: tuple[int, ...], rate: float) -> Mask:
        return self.draw(shape, rate)


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
class FreshBlocksInBackward(DropBlockCore):
    """The backward pass drops blocks of its own."""

    def backward(self, dy: Array, y: Array, mask: Mask, rate: float) -> Array:
        return self.apply(dy, self.mask(dy.shape, rate), rate)


@wrong(killed_by="inference.deterministic", diagnosis="dropping in evaluation")
class BlocksInEvaluation(DropBlockCore):
    """The evaluation pass drops blocks, too."""

    def evaluate(self, x: Array, rate: float) -> Array:
        return self.apply(x, self.mask(x.shape, rate), rate)
