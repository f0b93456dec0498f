"""Multiplicative Gaussian noise, and what is made of it."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from dropout_stats.conventions import Conventions
from dropout_stats.laws import AnyLaw, GaussianMultiplicative
from dropout_stats.laws.reading import Array
from dropout_stats.zoo.core import Core, promising
from dropout_stats.zoo.faults import (
    DrawnAgainInBackward,
    DrawnFor,
    DrawnInEvaluation,
    ScaledInEvaluation,
    SharedOverTheBatch,
)
from dropout_stats.zoo.specimen import correct, wrong


@correct
class GaussianCore(Core):
    """Multiplicative Gaussian noise of mean 1 and variance rate/(1 - rate)."""

    law: ClassVar[AnyLaw] = GaussianMultiplicative()
    conventions: ClassVar[Conventions] = promising(
        rate_domain="[0, 1)", dropped_nonfinite="unspecified"
    )

    def require(self, rate: float) -> None:
        """Refuse a rate at which the variance is infinite, or that is none."""
        if not 0 <= rate < 1:
            raise ValueError(f"the rate must lie in [0, 1), got {rate!r}")

    def deviation(self, rate: float) -> float:
        """Standard deviation of a multiplier."""
        return math.sqrt(rate / (1 - rate))

    def scores(self, shape: tuple[int, ...]) -> Array:
        """Draw what has mean 0 and deviation 1."""
        return self.rng.standard_normal(shape)

    def mask(self, shape: tuple[int, ...], rate: float) -> Any:
        """Make the multipliers, one a unit; at rate 0 nothing is drawn."""
        units = self.units(shape)
        return np.ones(units) if rate == 0 else self.multipliers(units, rate)

    def multipliers(self, shape: tuple[int, ...], rate: float) -> Array:
        """Draw multipliers of this shape at a rate inside (0, 1)."""
        return 1 + self.deviation(rate) * self.scores(shape)

    def apply(self, x: Array, mask: Any, rate: float) -> Array:
        """Multiply, and round once."""
        return self.law.apply(x, mask, rate)


@correct
class GaussianChannelCore(GaussianCore):
    """The same with one multiplier for each channel."""

    law: ClassVar[AnyLaw] = GaussianMultiplicative(unit="channel")


@correct
class BoxMuller(GaussianCore):
    """Normal numbers in single precision, by Box and Muller's method."""

    def scores(self, shape: tuple[int, ...]) -> Array:
        radius = np.sqrt(-2 * np.log1p(-self.rng.random(shape, np.float32)))
        angle = np.float32(2 * np.pi) * self.rng.random(shape, np.float32)
        return np.asarray(radius * np.cos(angle))


@correct
class ComputedInHalf(GaussianCore):
    """Noise is scaled, shifted and rounded in the type of the input at each step."""

    conventions: ClassVar[Conventions] = promising(
        rate_domain="[0, 1)", dropped_nonfinite="unspecified", dtypes=("float16",)
    )

    def apply(self, x: Array, mask: Any, rate: float) -> Array:
        """Round the standard noise, its product with the deviation, and what that is added to."""
        if rate == 0:
            return super().apply(x, mask, rate)
        one, deviation = x.dtype.type(1), x.dtype.type(self.deviation(rate))
        noise = ((mask - 1) / self.deviation(rate)).astype(x.dtype)
        return np.asarray(x * (one + deviation * noise))

    def backward(self, dy: Array, y: Array, mask: Any, rate: float) -> Array:
        """The product of the gradient with the same multipliers."""
        return self.apply(dy, mask, rate)


@wrong(killed_by="noise.marginal", diagnosis="the variance is taken for the deviation")
class VarianceTakenForDeviation(GaussianCore):
    """The deviation is rate/(1 - rate), which should be the variance; at rate 0.5 both are 1."""

    def deviation(self, rate: float) -> float:
        return rate / (1 - rate)


@wrong(killed_by="noise.marginal", diagnosis="the variance is the rate")
class VarianceIsTheRate(GaussianCore):
    """The variance is rate; it should be rate/(1 - rate)."""

    def deviation(self, rate: float) -> float:
        return math.sqrt(rate)


@wrong(
    killed_by="noise.marginal",
    diagnosis="keep probability and drop rate swapped in the variance",
)
class VarianceIsInverted(GaussianCore):
    """The variance is (1 - rate)/rate; it should be rate/(1 - rate)."""

    def deviation(self, rate: float) -> float:
        return math.sqrt((1 - rate) / rate)


@wrong(killed_by="noise.marginal", diagnosis="the noise has another mean than declared")
class NoiseHasMeanZero(GaussianCore):
    """The input is multiplied by noise of mean 0: the 1 was forgotten."""

    def mask(self, shape: tuple[int, ...], rate: float) -> Any:
        return super().mask(shape, rate) - (1 if rate else 0)


@wrong(killed_by="moments.mean", diagnosis="the noise has another mean than declared")
class NoiseHasTheMeanOfKeepProb(GaussianCore):
    """The mean of the noise is 1 - rate / 16, as if a little were dropped, too."""

    def mask(self, shape: tuple[int, ...], rate: float) -> Any:
        return super().mask(shape, rate) - rate / 16


@wrong(
    "keras-team/keras#5665",
    killed_by="noise.size",
    diagnosis="noise is added that should be multiplied",
)
class NoiseIsAdded(GaussianCore):
    """Noise of the right strength is added to the input in place of multiplying it."""

    def apply(self, x: Array, mask: Any, rate: float) -> Array:
        return np.asarray((x.astype(np.float64) + (mask - 1)).astype(x.dtype))

    def backward(self, dy: Array, y: Array, mask: Any, rate: float) -> Array:
        return dy.copy()


@wrong(killed_by="noise.shape", diagnosis="the noise has another shape than declared")
class UniformInPlaceOfNormal(GaussianCore):
    """Mean and variance are right, but the noise is uniform."""

    def scores(self, shape: tuple[int, ...]) -> Array:
        return self.rng.uniform(-math.sqrt(3), math.sqrt(3), shape)


@wrong(killed_by="noise.marginal", diagnosis="the noise has another shape than declared")
class NoiseIsClipped(GaussianCore):
    """What is farther than 3.5 deviations from 1 is moved there: the variance hardly changes."""

    def scores(self, shape: tuple[int, ...]) -> Array:
        return np.clip(super().scores(shape), -3.5, 3.5)


@wrong(
    "pytorch/pytorch#166853",
    killed_by="noise.marginal",
    diagnosis="the noise has another shape than declared",
    resolution=2.0**-9,
)
class NoiseOfElevenBits(ComputedInHalf):
    """Normal numbers are made of uniform ones with as many bits as the type: they end at 3.5."""

    def scores(self, shape: tuple[int, ...]) -> Array:
        """Box and Muller's method, from numbers of eleven bits."""
        first, second = self.rng.integers(0, 2**11, (2, *shape)) / 2**11
        return np.asarray(np.sqrt(-2 * np.log1p(-first)) * np.cos(2 * np.pi * second))


@wrong(
    killed_by="noise.shape",
    diagnosis="the noise has another shape than declared",
    resolution=2.0**-9,
)
class TwoHumps(ComputedInHalf):
    """The noise has two humps; its mean and variance are right."""

    def scores(self, shape: tuple[int, ...]) -> Array:
        """A normal number about 0.6 or -0.6."""
        return np.asarray(self.rng.choice((-0.6, 0.6), shape) + 0.8 * super().scores(shape))


@wrong(
    killed_by="noise.shape",
    diagnosis="the noise has another shape than declared",
    resolution=2.0**-9,
)
class TruncatedNoise(GaussianCore):
    """The noise is drawn again where it is farther than two deviations from 1, and scaled back."""

    def scores(self, shape: tuple[int, ...]) -> Array:
        drawn = self.rng.standard_normal(shape)
        while (np.abs(drawn) > 2).any():
            far = np.abs(drawn) > 2
            drawn[far] = self.rng.standard_normal(int(far.sum()))
        return np.asarray(drawn / math.sqrt(1 - 4 * math.exp(-2) / math.sqrt(2 * math.pi) / 0.9545))


@wrong(killed_by="dependence.axes", diagnosis="units do not draw independently")
class NoiseSharedOverTheBatch(SharedOverTheBatch, GaussianCore):
    """All rows of a batch get the same noise."""


@wrong(
    killed_by="support.shared_draw",
    diagnosis="units share their draws otherwise than declared",
)
class NoiseOfAChannelIsApart(DrawnFor, GaussianChannelCore):
    """Noise that should hold for a channel is drawn for each element."""


@wrong(
    killed_by="gradient.same_noise",
    diagnosis="the backward pass disagrees with its forward pass",
)
class FreshNoiseInBackward(DrawnAgainInBackward, GaussianCore):
    """The backward pass draws noise of its own."""


@wrong(killed_by="inference.deterministic", diagnosis="evaluation draws noise")
class NoiseInEvaluation(DrawnInEvaluation, GaussianCore):
    """The evaluation pass is still noisy."""


@wrong(killed_by="moments.noise_mean", diagnosis="the evaluation pass scales")
class NoiseIsScaledInEvaluation(ScaledInEvaluation, GaussianCore):
    """The evaluation pass multiplies by 1 - rate, as if units had been dropped."""


@wrong(killed_by="calls.repeated_mask", diagnosis="the same mask comes back")
class NoiseIsDrawnOnce(GaussianCore):
    """Noise is drawn once for each shape, and kept."""

    def __init__(self) -> None:
        super().__init__()
        self._drawn: dict[tuple[int, ...], Array] = {}

    def scores(self, shape: tuple[int, ...]) -> Array:
        if shape not in self._drawn:
            self._drawn[shape] = super().scores(shape)
        return self._drawn[shape]
