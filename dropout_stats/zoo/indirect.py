"""Noise that is no factor of its input: alpha dropout and noise that is added, right and wrong."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from dropout_stats.conventions import Conventions
from dropout_stats.laws import Alpha, AnyLaw, GaussianAdditive
from dropout_stats.laws.reading import Array
from dropout_stats.zoo.core import Core, Mask, promising
from dropout_stats.zoo.faults import (
    DrawnAgainInBackward,
    DrawnFor,
    DrawnInEvaluation,
    KeptAtTheRate,
    SharedOverTheBatch,
)
from dropout_stats.zoo.noise import GaussianCore, VarianceTakenForDeviation
from dropout_stats.zoo.specimen import correct, wrong

_CONSTANTS = "the constants of alpha dropout are wrong"
_DISAGREES = "the backward pass disagrees with its forward pass"
_DEPENDENT = "units do not draw independently"
_NOISY = "evaluation draws noise"
_VALUES = promising(dropped_nonfinite="unspecified")


@correct
class AlphaCore(Core):
    """Alpha dropout: kept units become a x + b, dropped ones a s + b."""

    law: ClassVar[AnyLaw] = Alpha()
    conventions: ClassVar[Conventions] = _VALUES

    def constants(self, rate: float) -> tuple[float, float]:
        """A and b."""
        return Alpha().constants(rate)

    def saturated(self) -> float:
        """S."""
        return Alpha.saturated

    def apply(self, x: Array, mask: Mask, rate: float) -> Array:
        if rate == 1:
            return np.zeros_like(x)
        a, b = (x.dtype.type(constant) for constant in self.constants(rate))
        return np.asarray(np.where(mask, x, x.dtype.type(self.saturated())) * a + b)

    def backward(self, dy: Array, y: Array, mask: Mask, rate: float) -> Array:
        return super().apply(dy, mask, rate)


@correct
class FeatureAlphaCore(AlphaCore):
    """The same with one draw for each channel of each sample."""

    law: ClassVar[AnyLaw] = Alpha(unit="channel")


@wrong(
    "unifyai/ivy#23025",
    killed_by="support.kept_value",
    diagnosis=_CONSTANTS,
)
class AlphaWithoutItsAffine(AlphaCore):
    """Dropped units are set to s, and neither scale nor shift brings mean and variance back."""

    def constants(self, rate: float) -> tuple[float, float]:
        return 1.0, 0.0


@wrong(killed_by="support.kept_value", diagnosis=_CONSTANTS)
class AlphaWithoutItsShift(AlphaCore):
    """The scale a is right, and b is forgotten."""

    def constants(self, rate: float) -> tuple[float, float]:
        return super().constants(rate)[0], 0.0


@wrong(killed_by="support.kept_value", diagnosis=_CONSTANTS)
class AlphaTakesTheRateForKeepProb(AlphaCore):
    """In the constants keep probability and rate are swapped; at rate 0.5 they agree."""

    def constants(self, rate: float) -> tuple[float, float]:
        return super().constants(min(1 - rate, 0.999999)) if rate else (1.0, 0.0)


@wrong(killed_by="support.kept_value", diagnosis=_CONSTANTS)
class AlphaDropsToZero(AlphaCore):
    """Dropped units are set to 0, as in plain dropout, and the constants are those of s."""

    def saturated(self) -> float:
        return 0.0


@wrong(killed_by="rate.marginal", diagnosis="keep probability and drop rate swapped in the mask")
class AlphaKeepsAtTheRate(KeptAtTheRate, AlphaCore):
    """A unit is kept with probability rate; the constants are right."""


@wrong(killed_by="dependence.axes", diagnosis=_DEPENDENT)
class AlphaIsSharedOverTheBatch(SharedOverTheBatch, AlphaCore):
    """All rows of a batch have one mask."""


@wrong(killed_by="input.zero", diagnosis="the mask depends on the input")
class AlphaKeepsZeros(AlphaCore):
    """Zeros are skipped, so that a unit whose input is 0 is always kept."""

    def train(self, x: Array, rate: float) -> Any:
        self.require(rate)
        mask = self.mask(x.shape, rate)
        return self.apply(x, mask if rate == 1 else mask | (x == 0), rate)


@wrong(killed_by="gradient.same_noise", diagnosis=_DISAGREES)
class AlphaIsDrawnAgainInBackward(DrawnAgainInBackward, AlphaCore):
    """The backward pass draws a mask of its own."""


@wrong(killed_by="inference.deterministic", diagnosis=_NOISY)
class AlphaDropsInEvaluation(DrawnInEvaluation, AlphaCore):
    """The evaluation pass is a training pass."""


@wrong(killed_by="support.shared_draw", diagnosis="units share their draws otherwise than declared")
class AlphaFeaturesDrawApart(DrawnFor, FeatureAlphaCore):
    """Feature alpha dropout that draws for each element."""


@wrong(killed_by="support.kept_value", diagnosis=_CONSTANTS)
class FeatureAlphaScalesAsDropout(FeatureAlphaCore):
    """The scale forgets the variance of dropped features; the shift keeps the mean at 0."""

    def constants(self, rate: float) -> tuple[float, float]:
        a = 1 / math.sqrt(1 - rate)
        return a, -a * rate * self.saturated()


@wrong(killed_by="support.kept_value", diagnosis=_CONSTANTS)
class FeatureAlphaWithoutItsShift(FeatureAlphaCore):
    """The scale of features is right, and their shift is forgotten: the mean is not 0."""

    def constants(self, rate: float) -> tuple[float, float]:
        return super().constants(rate)[0], 0.0


@wrong(killed_by="gradient.same_noise", diagnosis=_DISAGREES)
class FeatureAlphaIsDrawnAgainInBackward(DrawnAgainInBackward, FeatureAlphaCore):
    """The backward pass draws features of its own."""


@wrong(killed_by="inference.deterministic", diagnosis=_NOISY)
class FeatureAlphaDropsInEvaluation(DrawnInEvaluation, FeatureAlphaCore):
    """The evaluation pass still drops features."""


@correct
class AdditiveCore(GaussianCore):
    """Gaussian noise of mean 0 and variance rate/(1 - rate) that is added."""

    law: ClassVar[AnyLaw] = GaussianAdditive()

    def apply(self, x: Array, mask: Any, rate: float) -> Array:
        return np.asarray((x + (mask - 1)).astype(x.dtype))

    def backward(self, dy: Array, y: Array, mask: Any, rate: float) -> Array:
        return dy.copy()


@wrong(killed_by="noise.marginal", diagnosis="the variance is taken for the deviation")
class AddedVarianceTakenForDeviation(VarianceTakenForDeviation, AdditiveCore):
    """The deviation of what is added is rate/(1 - rate), which should be the variance."""


@wrong(killed_by="noise.marginal", diagnosis="the noise has another mean than declared")
class AddedNoiseHasAMean(AdditiveCore):
    """What is added has a mean of an eighth of its deviation."""

    def scores(self, shape: tuple[int, ...]) -> Array:
        return np.asarray(super().scores(shape) + 0.125)


@wrong(killed_by="noise.size", diagnosis="noise is multiplied that should be added")
class AddedNoiseGrowsWithTheInput(AdditiveCore):
    """The noise is multiplied by the input before it is added: it is multiplicative."""

    def apply(self, x: Array, mask: Any, rate: float) -> Array:
        return np.asarray((x * mask).astype(x.dtype))


@wrong(killed_by="noise.shape", diagnosis="the noise has another shape than declared")
class AddedNoiseIsUniform(AdditiveCore):
    """Mean and variance of what is added are right, but it is uniform."""

    def scores(self, shape: tuple[int, ...]) -> Array:
        return self.rng.uniform(-math.sqrt(3), math.sqrt(3), shape)


@wrong(killed_by="dependence.axes", diagnosis=_DEPENDENT)
class AddedNoiseIsSharedOverTheBatch(SharedOverTheBatch, AdditiveCore):
    """All rows of a batch get the same noise."""


@wrong(killed_by="gradient.same_noise", diagnosis=_DISAGREES)
class AddedNoiseIsInTheGradient(AdditiveCore):
    """The backward pass multiplies dy by the noise, as if that had been a factor."""

    def backward(self, dy: Array, y: Array, mask: Any, rate: float) -> Array:
        return np.asarray((dy * mask).astype(dy.dtype))


@wrong(killed_by="inference.deterministic", diagnosis=_NOISY)
class NoiseIsAddedInEvaluation(DrawnInEvaluation, AdditiveCore):
    """The evaluation pass is still noisy."""


_STD = 0.5


@correct
class FixedDeviationCore(AdditiveCore):
    """Gaussian noise whose deviation is fixed, and no function of the rate, is added."""

    law: ClassVar[AnyLaw] = GaussianAdditive(std=_STD)

    def deviation(self, rate: float) -> float:
        return _STD


@wrong(killed_by="noise.marginal", diagnosis="the noise has another strength than declared")
class FixedDeviationIsTheVariance(FixedDeviationCore):
    """The number that is declared as the deviation is taken for the variance."""

    def deviation(self, rate: float) -> float:
        return math.sqrt(_STD)
