"""Backward passes with exactly one fault that the zoo does not have, and correct ones."""

import numpy as np

import dropout_stats as ds
from dropout_stats import zoo
from dropout_stats.zoo.correct import DividesByKeepProb, NegativeZeros, ScaleInsideTheMask
from dropout_stats.zoo.gradient import (
    AnotherPassIsDifferentiated,
    BackwardBreaksInOneDimension,
    BackwardIgnoresTheMode,
    ClippedGradient,
    DifferentiatedPassForgetsTheScale,
    MaskGuessedFromTheOutput,
    WritesIntoDy,
)


class MaskFromTheKeptValue(zoo.Core):
    def vjp(self, x, dy, rate):
        y = self.train(x, rate)
        kept = x * x.dtype.type(self.scale(rate)) if rate < 1 else np.inf
        return y, self.apply(dy, y == kept, rate)


class MaskFromTheQuotient(zoo.Core):
    def vjp(self, x, dy, rate):
        y = self.train(x, rate)
        return y, (dy * (y / x)).astype(dy.dtype)


class FlushesSmallGradients(zoo.Core):
    def vjp(self, x, dy, rate):
        return super().vjp(x, np.where(np.abs(dy) < 1e-4, 0, dy).astype(dy.dtype), rate)


class AddsToTheGradient(zoo.Core):
    def vjp(self, x, dy, rate):
        return super().vjp(x, np.where(dy == 0, 1e-6, dy).astype(dy.dtype), rate)


class ReversesTheGradientOfOneDimension(zoo.Core):
    def backward(self, dy, y, mask, rate):
        dx = super().backward(dy, y, mask, rate)
        return dx[::-1].copy() if dx.ndim == 1 else dx


class ScalesTheEvaluationGradient(zoo.Core):
    def evaluate_vjp(self, x, dy, rate):
        return x, dy * dy.dtype.type(self.scale(rate))


class ForgetsTheScaleOfEvaluation(zoo.TestScaledCore):
    def evaluate_vjp(self, x, dy, rate):
        return self.evaluate(x, rate), dy


KILLED_BY = {
    MaskGuessedFromTheOutput: "gradient.at_zero",
    MaskFromTheKeptValue: "gradient.at_zero",
    MaskFromTheQuotient: "gradient.at_zero",
    ClippedGradient: "gradient.linear",
    FlushesSmallGradients: "gradient.linear",
    AddsToTheGradient: "gradient.linear",
    WritesIntoDy: "gradient.dy_unchanged",
    DifferentiatedPassForgetsTheScale: "gradient.forward",
    AnotherPassIsDifferentiated: "gradient.forward",
    BackwardBreaksInOneDimension: "gradient.dropped_is_zero",
    ReversesTheGradientOfOneDimension: "gradient.same_noise",
    BackwardIgnoresTheMode: "gradient.evaluation",
    ScalesTheEvaluationGradient: "gradient.evaluation",
    ForgetsTheScaleOfEvaluation: "gradient.evaluation",
}


class ReplaysItsSeed(zoo.Core):
    """Recomputes the mask in the backward pass, as checkpointing does."""

    def vjp(self, x, dy, rate):
        number = int(self.rng.integers(2**31))
        masks = [np.random.default_rng(number).random(x.shape) >= rate for _ in range(2)]
        return self.apply(x, masks[0], rate), self.apply(dy, masks[1], rate)


class WithoutSeed(zoo.Core):
    def target(self, **changes):
        return super().target(**{"seed": None, "conventions": ds.Conventions(), **changes})


class ConsumesDyAsDeclared(zoo.Core):
    conventions = ds.Conventions(randomness="owned", dy="consumed")

    def backward(self, dy, y, mask, rate):
        dy *= self.apply(np.ones_like(dy), mask, rate)
        return dy


CORRECT = (
    zoo.Core,
    zoo.TestScaledCore,
    ScaleInsideTheMask,
    DividesByKeepProb,
    NegativeZeros,
    ReplaysItsSeed,
    WithoutSeed,
    ConsumesDyAsDeclared,
)
