"""Dropout that is declared to hold its keep probability in eight bits, right and wrong."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from dropout_stats.laws import AnyLaw, Inverted
from dropout_stats.laws.reading import Array
from dropout_stats.zoo.core import Core, Mask
from dropout_stats.zoo.faults import (
    AtHalfTheRate,
    DrawnAgainInBackward,
    DrawnInEvaluation,
    NotScaled,
)
from dropout_stats.zoo.specimen import correct, wrong


@correct
class EightBitCore(Core):
    """A byte is compared with a rounded threshold, and the scale is that of the rate."""

    law: ClassVar[AnyLaw] = Inverted(rate_bits=8)

    def bytes(self, shape: tuple[int, ...]) -> Array:
        """Draw a byte for each unit."""
        return self.rng.integers(0, 256, shape, np.uint8)

    def draw(self, shape: tuple[int, ...], rate: float) -> Mask:
        return np.asarray(self.bytes(shape) >= self.threshold(rate))

    def threshold(self, rate: float) -> int:
        """How many bytes of 256 drop a unit: some, and not all, where the rate is inside (0, 1)."""
        return min(max(round(256 * rate), 1), 255)


@wrong(killed_by="rate.marginal", diagnosis="a 4-bit threshold")
class FourBitsAreUsed(EightBitCore):
    """The threshold is a multiple of 16, which leaves four of the eight bits that are declared."""

    def threshold(self, rate: float) -> int:
        return 16 * round(16 * rate)


@wrong(killed_by="support.kept_value", diagnosis="no scaling")
class BytesAreNotScaled(NotScaled, EightBitCore):
    """What a byte keeps is not scaled."""


@wrong(killed_by="moments.variance", diagnosis="another rate is used throughout")
class BytesHaveHalfTheRate(AtHalfTheRate, EightBitCore):
    """Threshold and scale are those of half the rate: the mean is right."""


@wrong(killed_by="dependence.lag", diagnosis="units do not draw independently")
class AByteServesTwo(EightBitCore):
    """Each byte serves two units that follow each other."""

    def bytes(self, shape: tuple[int, ...]) -> Array:
        size = int(np.prod(shape))
        return super().bytes((-(-size // 2),)).repeat(2)[:size].reshape(shape)


@wrong(
    killed_by="gradient.same_noise",
    diagnosis="the backward pass disagrees with its forward pass",
)
class BytesAreDrawnAgainInBackward(DrawnAgainInBackward, EightBitCore):
    """The backward pass draws bytes of its own."""


@wrong(killed_by="inference.deterministic", diagnosis="dropping in evaluation")
class BytesAreDrawnInEvaluation(DrawnInEvaluation, EightBitCore):
    """The evaluation pass still drops by its bytes."""
