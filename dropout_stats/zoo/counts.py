"""A fixed number of units is dropped, and where that goes wrong."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from dropout_stats.laws import AnyLaw, ExactCount
from dropout_stats.laws.reading import Array
from dropout_stats.zoo.core import Core, Mask
from dropout_stats.zoo.faults import (
    AtHalfTheRate,
    DrawnAgainInBackward,
    DrawnFor,
    DrawnInEvaluation,
    KeptAtTheRate,
    NotScaled,
    ScaledInEvaluation,
    SharedOverTheBatch,
)
from dropout_stats.zoo.specimen import correct, wrong

_NUMBER = "another number of units is kept than declared"
_OTHERWISE = "units share their draws otherwise than declared"
_DEPENDENT = "units do not draw independently"
_DISAGREES = "the backward pass disagrees with its forward pass"
_UNSCALED = "no scaling"
_NOISY = "dropping in evaluation"


class ScaledByTheShare(Core):
    """Kept elements are multiplied by n / k where k of the n of a call are kept."""

    def apply(self, x: Array, mask: Mask, rate: float) -> Array:
        if rate == 1:
            return np.zeros_like(x)
        scaled = x * x.dtype.type(self.of_call(mask, rate))
        return np.asarray(np.where(mask, scaled, x.dtype.type(0)))

    def of_call(self, mask: Mask, rate: float) -> float:
        """Factor of a kept element."""
        return mask.size / max(1, int(np.count_nonzero(mask)))


@correct
class ExactCountCore(Core):
    """The number of dropped units is fixed: so many are chosen, each choice being as likely."""

    law: ClassVar[AnyLaw] = ExactCount()

    def draw(self, shape: tuple[int, ...], rate: float) -> Mask:
        mask = np.ones(shape, np.bool_)
        places = self.rng.permutation(mask.size)
        mask.reshape(-1)[places[: self.dropped(mask.size, rate)]] = False
        return mask

    def dropped(self, units: int, rate: float) -> int:
        """How many of so many units are dropped."""
        return round(units * rate)


@correct
class ExactCountOfSamples(ScaledByTheShare):
    """The same number of units is dropped in each sample, and kept ones are scaled by the share."""

    law: ClassVar[AnyLaw] = ExactCount(within="sample", normalised=True)

    def draw(self, shape: tuple[int, ...], rate: float) -> Mask:
        return np.asarray(self.law.sample(self.rng, shape, rate))


@correct
class ExactCountOfChannels(ExactCountCore):
    """The number of dropped channels is fixed, whichever samples they are of."""

    law: ClassVar[AnyLaw] = ExactCount(unit="channel")


@wrong(killed_by="support.count", diagnosis=_NUMBER)
class UnitsDrawApart(ExactCountCore):
    """Each unit is dropped with the rate: the number is right on average alone."""

    draw = Core.draw


@wrong(killed_by="support.count", diagnosis=_NUMBER)
class OneMoreIsDropped(ExactCountCore):
    """One unit more is dropped than the rate says: a range that includes its end."""

    def dropped(self, units: int, rate: float) -> int:
        return min(units, round(units * rate) + 1)


@wrong(killed_by="support.count", diagnosis=_NUMBER)
class TheBatchHasTheNumber(ExactCountOfSamples):
    """The number is right in the whole batch, and not in each of its samples."""

    def draw(self, shape: tuple[int, ...], rate: float) -> Mask:
        return np.asarray(ExactCount().sample(self.rng, shape, rate))


@wrong(
    killed_by="rate.marginal",
    diagnosis="keep probability and drop rate swapped in the mask",
)
class KeepsAsManyAsItShouldDrop(KeptAtTheRate, ExactCountCore):
    """As many units are kept as should be dropped."""


@wrong(killed_by="dependence.lag", diagnosis=_DEPENDENT)
class DropsPairs(ExactCountCore):
    """Pairs of neighbours are chosen, not units."""

    def draw(self, shape: tuple[int, ...], rate: float) -> Mask:
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

    def draw(self, shape: tuple[int, ...], rate: float) -> Mask:
        mask = np.ones(shape, np.bool_)
        places = self.rng.permutation(mask.size)
        places = places[np.argsort(places % 16 == 15, kind="stable")]
        mask.reshape(-1)[places[: self.dropped(mask.size, rate)]] = False
        return mask


@wrong(killed_by="support.kept_value", diagnosis=_UNSCALED)
class ChoiceIsNotScaled(NotScaled, ExactCountCore):
    """Kept units are not scaled."""


@wrong(killed_by="gradient.same_noise", diagnosis=_DISAGREES)
class ChoosesAgainInBackward(DrawnAgainInBackward, ExactCountCore):
    """The backward pass makes a choice of its own."""


@wrong(killed_by="moments.noise_mean", diagnosis="scaled in both modes")
class ChoiceIsScaledInEvaluation(ScaledInEvaluation, ExactCountCore):
    """The evaluation pass multiplies by 1 - rate, as if training had not scaled."""


@wrong(killed_by="dependence.axes", diagnosis=_DEPENDENT)
class SamplesShareTheirChoice(SharedOverTheBatch, ExactCountOfSamples):
    """One choice serves all samples of a batch; each should have its own."""


@wrong(killed_by="support.count", diagnosis=_NUMBER)
class SamplesChooseAtHalfTheRate(AtHalfTheRate, ExactCountOfSamples):
    """Half as many units of each sample are dropped; scaled by their share, the mean is right."""


@wrong(
    killed_by="support.kept_value",
    diagnosis="kept units are not scaled by the share that was kept",
)
class ChoiceOfSamplesIsNotScaled(ExactCountOfSamples):
    """Units that each sample keeps are not scaled, by the share or otherwise."""

    def of_call(self, mask: Mask, rate: float) -> float:
        return 1.0


@wrong(killed_by="gradient.same_noise", diagnosis=_DISAGREES)
class SamplesChooseAgainInBackward(DrawnAgainInBackward, ExactCountOfSamples):
    """In the backward pass each sample makes another choice."""


@wrong(killed_by="inference.deterministic", diagnosis=_NOISY)
class SamplesChooseInEvaluation(DrawnInEvaluation, ExactCountOfSamples):
    """Each sample drops its number of units in evaluation, too."""


@wrong(killed_by="support.shared_draw", diagnosis=_OTHERWISE)
class ElementsAreChosenForChannels(DrawnFor, ExactCountOfChannels):
    """So many elements are chosen as there should be in so many channels."""


@wrong(killed_by="support.count", diagnosis="another rate is used throughout")
class ChannelsAreChosenAtHalfTheRate(AtHalfTheRate, ExactCountOfChannels):
    """Half as many channels are dropped, and scaled as if that were the rate: the mean is right."""


@wrong(killed_by="support.kept_value", diagnosis=_UNSCALED)
class ChosenChannelsAreNotScaled(NotScaled, ExactCountOfChannels):
    """Kept channels, the number of which is fixed, are not scaled."""


@wrong(killed_by="gradient.same_noise", diagnosis=_DISAGREES)
class ChannelsAreChosenAgainInBackward(DrawnAgainInBackward, ExactCountOfChannels):
    """The backward pass chooses channels of its own."""


@wrong(killed_by="inference.deterministic", diagnosis=_NOISY)
class ChannelsAreChosenInEvaluation(DrawnInEvaluation, ExactCountOfChannels):
    """The evaluation pass drops its number of channels, too."""
