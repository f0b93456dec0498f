"""Elements of a channel or a sample share one draw, and where that goes wrong."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from dropout_stats.laws import AnyLaw, Inverted
from dropout_stats.laws.sharing import Sharing
from dropout_stats.zoo.core import Core, Mask
from dropout_stats.zoo.faults import (
    AtHalfTheRate,
    DrawnAgainInBackward,
    DrawnFor,
    DrawnInEvaluation,
    KeptAtTheRate,
    NotScaled,
    SharedOverTheBatch,
)
from dropout_stats.zoo.specimen import correct, wrong

_OTHERWISE = "units share their draws otherwise than declared"
_DEPENDENT = "units do not draw independently"
_ANOTHER_RATE = "another rate is used throughout"
_SWAPPED = "keep probability and drop rate swapped in the mask"
_DISAGREES = "the backward pass disagrees with its forward pass"
_NOISY = "dropping in evaluation"


@correct
class ChannelCore(Core):
    """A draw for each channel of each sample, as in `Dropout1d`, `Dropout2d` and `Dropout3d`."""

    law: ClassVar[AnyLaw] = Inverted(unit="channel")


@correct
class ChannelLastCore(Core):
    """A draw for each channel of each sample, channels being last, as in `SpatialDropout2D`."""

    law: ClassVar[AnyLaw] = Inverted(unit="channel-last")


@correct
class SampleCore(Core):
    """A draw for each sample, as in stochastic depth and `DropPath`."""

    law: ClassVar[AnyLaw] = Inverted(unit="sample")


@wrong(
    "tensorflow/tensorflow#45916",
    "csarofeen/pytorch#1888",
    killed_by="support.shared_draw",
    diagnosis=_OTHERWISE,
)
class ElementsOfAChannelDrawApart(DrawnFor, ChannelCore):
    """Channel dropout that is plain dropout: each element has a draw of its own."""


@wrong("pytorch/pytorch#69801", killed_by="support.shared_draw", diagnosis=_OTHERWISE)
class ChannelsAreTakenForLast(DrawnFor, ChannelCore):
    """The last axis is taken for the channels, which are the second."""

    drawn = Sharing("channel-last")


@wrong("pytorch/pytorch#77081", killed_by="dependence.axes", diagnosis=_DEPENDENT)
class ChannelsOfASampleShare(DrawnFor, ChannelCore):
    """Channel dropout that drops whole samples."""

    drawn = Sharing("sample")


@wrong("rwth-i6/returnn#366", killed_by="dependence.axes", diagnosis=_DEPENDENT)
class ChannelsAreSharedOverTheBatch(SharedOverTheBatch, ChannelCore):
    """The mask of the channels is broadcast over the batch."""


@wrong(killed_by="support.kept_value", diagnosis="no scaling")
class ChannelsAreNotScaled(NotScaled, ChannelCore):
    """Kept channels are not scaled."""


@wrong(killed_by="rate.marginal", diagnosis=_SWAPPED)
class ChannelsAreKeptAtTheRate(KeptAtTheRate, ChannelCore):
    """A channel is kept with probability rate; the scale is right."""


@wrong(killed_by="moments.variance", diagnosis=_ANOTHER_RATE)
class ChannelsHaveHalfTheRate(AtHalfTheRate, ChannelCore):
    """Channels are dropped, and scaled, at half the rate: mean and evaluation are right."""


@wrong(killed_by="gradient.same_noise", diagnosis=_DISAGREES)
class ChannelsAreDrawnAgainInBackward(DrawnAgainInBackward, ChannelCore):
    """The backward pass draws channels of its own."""


@wrong(killed_by="inference.deterministic", diagnosis=_NOISY)
class ChannelsDropInEvaluation(DrawnInEvaluation, ChannelCore):
    """The evaluation pass still drops channels."""


@wrong(killed_by="support.shared_draw", diagnosis=_OTHERWISE)
class LastChannelsAreTakenForSecond(DrawnFor, ChannelLastCore):
    """The second axis is taken for the channels, which are the last."""

    drawn = Sharing("channel")


@wrong(killed_by="dependence.axes", diagnosis=_DEPENDENT)
class LastChannelsAreSharedOverTheBatch(SharedOverTheBatch, ChannelLastCore):
    """The mask of the last axis is broadcast over the batch."""


@wrong(killed_by="support.kept_value", diagnosis="no scaling")
class LastChannelsAreNotScaled(NotScaled, ChannelLastCore):
    """Kept channels, which are last, are not scaled."""


@wrong(killed_by="moments.variance", diagnosis=_ANOTHER_RATE)
class LastChannelsHaveHalfTheRate(AtHalfTheRate, ChannelLastCore):
    """Channels, which are last, are dropped and scaled at half the rate."""


@wrong(killed_by="gradient.same_noise", diagnosis=_DISAGREES)
class LastChannelsAreDrawnAgainInBackward(DrawnAgainInBackward, ChannelLastCore):
    """The backward pass draws channels, which are last, of its own."""


@wrong(killed_by="inference.deterministic", diagnosis=_NOISY)
class LastChannelsDropInEvaluation(DrawnInEvaluation, ChannelLastCore):
    """The evaluation pass still drops channels, which are last."""


@wrong("keras-team/keras-cv#473", killed_by="dependence.lag", diagnosis=_DEPENDENT)
class WholeBatchIsDropped(SampleCore):
    """Stochastic depth that drops the whole batch with one draw."""

    def mask(self, shape: tuple[int, ...], rate: float) -> Mask:
        return np.repeat(super().mask((1, *shape[1:]), rate), shape[0], axis=0)


@wrong("tensorflow/tensorflow#45916", killed_by="support.shared_draw", diagnosis=_OTHERWISE)
class ElementsOfASampleDrawApart(DrawnFor, SampleCore):
    """Stochastic depth that is plain dropout."""


@wrong("mosaicml/composer#372", killed_by="support.kept_value", diagnosis="no scaling")
class SamplesAreNotScaled(NotScaled, SampleCore):
    """Kept samples are not scaled, and the evaluation pass is not either."""


@wrong(killed_by="rate.marginal", diagnosis=_SWAPPED)
class SurvivalIsTakenForTheRate(KeptAtTheRate, SampleCore):
    """The rate is taken for the probability to survive; the scale is right."""


@wrong(
    "qubvel/efficientnet#135",
    "NVIDIA-NeMo/Speech#6120",
    killed_by="moments.variance",
    diagnosis=_ANOTHER_RATE,
)
class DepthHasHalfTheRate(AtHalfTheRate, SampleCore):
    """Stochastic depth whose schedule over the blocks reaches half of the rate."""


@wrong(killed_by="gradient.same_noise", diagnosis=_DISAGREES)
class SamplesAreDrawnAgainInBackward(DrawnAgainInBackward, SampleCore):
    """The backward pass draws samples of its own."""


@wrong(killed_by="inference.deterministic", diagnosis=_NOISY)
class SamplesDropInEvaluation(DrawnInEvaluation, SampleCore):
    """The evaluation pass still drops samples."""
