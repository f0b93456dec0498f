"""Multiplicative noise that is uniform, or log-normal, right and wrong."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from dropout_stats.laws import AnyLaw, LogNormalMultiplicative, UniformMultiplicative
from dropout_stats.laws.reading import Array
from dropout_stats.zoo.faults import DrawnAgainInBackward, DrawnInEvaluation, SharedOverTheBatch
from dropout_stats.zoo.noise import GaussianCore, VarianceIsTheRate
from dropout_stats.zoo.specimen import correct, wrong

_IS_THE_RATE = "the variance is the rate"
_MEAN = "the noise has another mean than declared"
_DEPENDENT = "units do not draw independently"
_DISAGREES = "the backward pass disagrees with its forward pass"
_NOISY = "evaluation draws noise"


@correct
class UniformNoise(GaussianCore):
    """Multiplicative uniform noise of mean 1 and variance rate/(1 - rate)."""

    law: ClassVar[AnyLaw] = UniformMultiplicative()

    def scores(self, shape: tuple[int, ...]) -> Array:
        return self.rng.uniform(-math.sqrt(3), math.sqrt(3), shape)


@correct
class LogNormalNoise(GaussianCore):
    """Multiplicative log-normal noise of mean 1 and variance rate/(1 - rate)."""

    law: ClassVar[AnyLaw] = LogNormalMultiplicative()

    def multipliers(self, shape: tuple[int, ...], rate: float) -> Array:
        square = math.log1p(self.deviation(rate) ** 2)
        return np.exp(math.sqrt(square) * self.scores(shape) + self.centre(square))

    def centre(self, square: float) -> float:
        """Mean of the logarithm, the variance of which is given."""
        return -square / 2


@wrong(killed_by="noise.support", diagnosis="the noise has another shape than declared")
class NormalInPlaceOfUniform(UniformNoise):
    """Mean and variance are right, but the noise is normal, and has no bounds."""

    def scores(self, shape: tuple[int, ...]) -> Array:
        return self.rng.standard_normal(shape)


@wrong(killed_by="noise.marginal", diagnosis=_IS_THE_RATE)
class UniformVarianceIsTheRate(VarianceIsTheRate, UniformNoise):
    """The variance of uniform noise is rate; it should be rate/(1 - rate)."""


@wrong(killed_by="noise.support", diagnosis=_MEAN)
class UniformNoiseOnlyGrows(UniformNoise):
    """Uniform noise lies between 1 and 1 + 2w, which should be 1 - w and 1 + w."""

    def scores(self, shape: tuple[int, ...]) -> Array:
        return self.rng.uniform(0, 2 * math.sqrt(3), shape)


@wrong(killed_by="dependence.axes", diagnosis=_DEPENDENT)
class UniformNoiseIsSharedOverTheBatch(SharedOverTheBatch, UniformNoise):
    """All rows of a batch get the same uniform noise."""


@wrong(killed_by="gradient.same_noise", diagnosis=_DISAGREES)
class UniformNoiseIsDrawnAgainInBackward(DrawnAgainInBackward, UniformNoise):
    """The backward pass draws uniform noise of its own."""


@wrong(killed_by="inference.deterministic", diagnosis=_NOISY)
class UniformNoiseInEvaluation(DrawnInEvaluation, UniformNoise):
    """The evaluation pass still multiplies by uniform noise."""


@wrong(killed_by="noise.marginal", diagnosis=_IS_THE_RATE)
class LogNormalVarianceIsTheRate(VarianceIsTheRate, LogNormalNoise):
    """The variance of log-normal noise is rate; it should be rate/(1 - rate)."""


@wrong(killed_by="moments.mean", diagnosis=_MEAN)
class LogNormalMedianIsOne(LogNormalNoise):
    """The logarithm of the noise has mean 0, so that its median is 1, and its mean is larger."""

    def centre(self, square: float) -> float:
        return 0.0


@wrong(killed_by="dependence.axes", diagnosis=_DEPENDENT)
class LogNormalNoiseIsSharedOverTheBatch(SharedOverTheBatch, LogNormalNoise):
    """All rows of a batch get the same log-normal noise."""


@wrong(killed_by="gradient.same_noise", diagnosis=_DISAGREES)
class LogNormalNoiseIsDrawnAgainInBackward(DrawnAgainInBackward, LogNormalNoise):
    """The backward pass draws log-normal noise of its own."""


@wrong(killed_by="inference.deterministic", diagnosis=_NOISY)
class LogNormalNoiseInEvaluation(DrawnInEvaluation, LogNormalNoise):
    """The evaluation pass still multiplies by log-normal noise."""
