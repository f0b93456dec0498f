"""Multipliers that take one of several values, right and wrong."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from dropout_stats.laws import AnyLaw, Law
from dropout_stats.laws.reading import Array
from dropout_stats.zoo.faults import (
    DrawnAgainInBackward,
    DrawnFor,
    DrawnInEvaluation,
    SharedOverTheBatch,
)
from dropout_stats.zoo.noise import GaussianCore
from dropout_stats.zoo.specimen import correct, wrong

_CHANCES = "values are taken with other probabilities than declared"


def _ternary(rate: float) -> dict[float, float]:
    return {0.0: rate / 2, 1.0: 1 - rate, 2.0: rate / 2}


def _halving(rate: float) -> dict[float, float]:
    return {0.0: rate / 2, 0.5: rate / 2, (1 - rate / 4) / (1 - rate): 1 - rate}


@correct
class TernaryCore(GaussianCore):
    """A unit is dropped or doubled, each with probability rate/2; the mean stays as it is."""

    law: ClassVar[AnyLaw] = Law("ternary", atoms=_ternary)

    def values(self, rate: float) -> tuple[float, ...]:
        """What a unit may be multiplied by."""
        return tuple(_ternary(rate))

    def chances(self, rate: float) -> tuple[float, ...]:
        """How often."""
        return tuple(_ternary(rate).values())

    def multipliers(self, shape: tuple[int, ...], rate: float) -> Array:
        """One uniform number a unit, compared with the sums of the probabilities."""
        sums = np.cumsum(self.chances(rate))[:-1]
        return np.asarray(np.array(self.values(rate))[np.digitize(self.uniforms(shape), sums)])


@correct
class TernaryChannelCore(TernaryCore):
    """The same with one multiplier for each channel."""

    law: ClassVar[AnyLaw] = Law("ternary of channels", atoms=_ternary, unit="channel")


@correct
class HalvingCore(TernaryCore):
    """A unit is dropped or halved, each with probability rate/2, or scaled up to a mean of 1."""

    law: ClassVar[AnyLaw] = Law("halving", atoms=_halving)

    def values(self, rate: float) -> tuple[float, ...]:
        return tuple(_halving(rate))

    def chances(self, rate: float) -> tuple[float, ...]:
        return tuple(_halving(rate).values())


@correct
class PairCore(TernaryCore):
    """A unit is halved or multiplied by 3/2, as often: nothing is dropped, whatever the rate."""

    law: ClassVar[AnyLaw] = Law("pair", atoms=lambda _: {0.5: 0.5, 1.5: 0.5})

    def values(self, rate: float) -> tuple[float, ...]:
        return 0.5, 1.5

    def chances(self, rate: float) -> tuple[float, ...]:
        return 0.5, 0.5


@wrong(killed_by="moments.variance", diagnosis=_CHANCES)
class TernaryHalvesTheRateTwice(TernaryCore):
    """A unit is dropped or doubled with probability rate/4 each: the mean is right all the same."""

    def chances(self, rate: float) -> tuple[float, ...]:
        return super().chances(rate / 2)


@wrong(killed_by="moments.mean", diagnosis=_CHANCES)
class TernaryDropsMoreThanItDoubles(TernaryCore):
    """A unit is dropped with probability 3 rate/5, and doubled with 2 rate/5."""

    def chances(self, rate: float) -> tuple[float, ...]:
        return 3 * rate / 5, 1 - rate, 2 * rate / 5


@wrong(killed_by="noise.values", diagnosis=_CHANCES)
class HalvesWhatIsLeft(HalvingCore):
    """Whether a unit is halved is drawn anew among those that were not dropped."""

    def chances(self, rate: float) -> tuple[float, ...]:
        dropped = rate / 2
        return dropped, (1 - dropped) * dropped, (1 - dropped) ** 2


@wrong(killed_by="noise.support", diagnosis="a multiplier is none of the declared values")
class HalvingScalesAsDropout(HalvingCore):
    """Kept units are divided by 1 - rate, as if all others had been dropped."""

    def values(self, rate: float) -> tuple[float, ...]:
        return 0.0, 0.5, 1 / (1 - rate)


@wrong(killed_by="dependence.axes", diagnosis="units do not draw independently")
class TernarySharedOverTheBatch(SharedOverTheBatch, TernaryCore):
    """All rows of a batch get the same multipliers."""


@wrong(
    killed_by="support.shared_draw",
    diagnosis="units share their draws otherwise than declared",
)
class TernaryChannelsDrawApart(DrawnFor, TernaryChannelCore):
    """Multipliers that should hold for a channel are drawn for each element."""


@wrong(
    killed_by="gradient.same_noise",
    diagnosis="the backward pass disagrees with its forward pass",
)
class TernaryIsDrawnAgainInBackward(DrawnAgainInBackward, TernaryCore):
    """The backward pass draws multipliers of its own."""


@wrong(
    killed_by="gradient.dropped_is_zero",
    diagnosis="the backward pass does not apply the mask",
)
class TernaryGradientReachesTheDropped(TernaryCore):
    """The backward pass divides output by input, and passes dy on where that is 0."""

    def backward(self, dy: Array, y: Array, mask: Any, rate: float) -> Array:
        return self.apply(dy, np.where(mask == 0, 1, mask), rate)


@wrong(killed_by="inference.deterministic", diagnosis="evaluation draws noise")
class TernaryInEvaluation(DrawnInEvaluation, TernaryCore):
    """The evaluation pass is still noisy."""


@wrong(
    killed_by="inference.law",
    diagnosis="the evaluation pass scales otherwise than declared",
)
class TernaryIsScaledInEvaluation(TernaryCore):
    """The evaluation pass multiplies by 1 - rate/2, as if units had been dropped only."""

    def factor(self, rate: float) -> float:
        return 1 - rate / 2


@wrong(killed_by="calls.repeated_mask", diagnosis="the same mask comes back")
class TernaryIsDrawnOnce(TernaryCore):
    """Multipliers are drawn once for each shape and rate, and kept."""

    def __init__(self) -> None:
        super().__init__()
        self._drawn: dict[tuple[float, tuple[int, ...]], Array] = {}

    def multipliers(self, shape: tuple[int, ...], rate: float) -> Array:
        return self._drawn.setdefault((rate, shape), super().multipliers(shape, rate))
