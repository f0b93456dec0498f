"""Backward passes with exactly one fault, and correct ones that look unusual."""

import numpy as np
from plain import Core, TestScaledCore

import dropout_stats as ds


class WithEvaluation(Core):
    """A correct dropout whose evaluation pass can be differentiated."""

    def evaluate_vjp(self, x, dy, rate):
        return self.evaluate(x, rate), self.evaluate(dy, rate)

    def target(self, **changes):
        return super().target(**{"evaluate_vjp": self.evaluate_vjp, **changes})


class TestScaledWithEvaluation(WithEvaluation, TestScaledCore):
    __test__ = False


class MaskFromTheOutput(Core):
    def vjp(self, x, dy, rate):
        y = self.train(x, rate)
        return y, self.apply(dy, y != 0, rate)


class MaskFromTheKeptValue(Core):
    def vjp(self, x, dy, rate):
        y = self.train(x, rate)
        return y, self.apply(dy, y == x * x.dtype.type(self.scale(rate)), rate)


class MaskFromTheQuotient(Core):
    def vjp(self, x, dy, rate):
        y = self.train(x, rate)
        return y, (dy * (y / x)).astype(dy.dtype)


class ClipsGradients(Core):
    def vjp(self, x, dy, rate):
        y, dx = super().vjp(x, dy, rate)
        return y, np.clip(dx, -1000, 1000)


class FlushesSmallGradients(Core):
    def vjp(self, x, dy, rate):
        return super().vjp(x, np.where(np.abs(dy) < 1e-4, 0, dy).astype(dy.dtype), rate)


class AddsToTheGradient(Core):
    def vjp(self, x, dy, rate):
        return super().vjp(x, np.where(dy == 0, 1e-6, dy).astype(dy.dtype), rate)


class WritesIntoDy(Core):
    def vjp(self, x, dy, rate):
        y, dx = super().vjp(x, dy, rate)
        dy[...] = dx
        return y, dx


class UnscaledUnderDifferentiation(Core):
    def vjp(self, x, dy, rate):
        mask = self.mask(x.shape, rate)
        return np.where(mask, x, x.dtype.type(0)), self.apply(dy, mask, rate)


class WrongInOneDimension(Core):
    def vjp(self, x, dy, rate):
        y, dx = super().vjp(x, dy, rate)
        return y, dx[::-1].copy() if x.ndim == 1 else dx


class MasksTheEvaluationGradient(WithEvaluation):
    def evaluate_vjp(self, x, dy, rate):
        return x, self.train(dy, rate)


class ScalesTheEvaluationGradient(WithEvaluation):
    def factor(self, rate):
        return 1.0

    def evaluate_vjp(self, x, dy, rate):
        return x, dy * dy.dtype.type(self.scale(rate))


class ForgetsTheScaleOfEvaluation(TestScaledWithEvaluation):
    def evaluate_vjp(self, x, dy, rate):
        return self.evaluate(x, rate), dy


KILLED_BY = {
    MaskFromTheOutput: "gradient.at_zero",
    MaskFromTheKeptValue: "gradient.at_zero",
    MaskFromTheQuotient: "gradient.at_zero",
    ClipsGradients: "gradient.linear",
    FlushesSmallGradients: "gradient.linear",
    AddsToTheGradient: "gradient.linear",
    WritesIntoDy: "gradient.dy_unchanged",
    UnscaledUnderDifferentiation: "gradient.forward",
    WrongInOneDimension: "gradient.same_noise",
    MasksTheEvaluationGradient: "gradient.evaluation",
    ScalesTheEvaluationGradient: "gradient.evaluation",
    ForgetsTheScaleOfEvaluation: "gradient.evaluation",
}


class ScalesTheMask(WithEvaluation):
    def vjp(self, x, dy, rate):
        scaled = self.mask(x.shape, rate).astype(x.dtype) * x.dtype.type(self.scale(rate))
        return x * scaled, dy * scaled


class DividesTheGradient(WithEvaluation):
    def vjp(self, x, dy, rate):
        mask, keep = self.mask(x.shape, rate), x.dtype.type(1 - rate)
        return x * mask / keep, dy * mask / keep


class NegativeZeroGradients(WithEvaluation):
    def vjp(self, x, dy, rate):
        y, dx = super().vjp(x, dy, rate)
        return y, np.where(dx == 0, -dx, dx)


class ReplaysItsSeed(WithEvaluation):
    """Recomputes the mask in the backward pass, as checkpointing does."""

    def vjp(self, x, dy, rate):
        number = int(self.rng.integers(2**31))
        masks = [np.random.default_rng(number).random(x.shape) >= rate for _ in range(2)]
        return self.apply(x, masks[0], rate), self.apply(dy, masks[1], rate)


class WithoutSeed(WithEvaluation):
    def target(self, **changes):
        return super().target(**{"seed": None, "conventions": ds.Conventions(), **changes})


class ConsumesDyAsDeclared(WithEvaluation):
    def vjp(self, x, dy, rate):
        mask = self.mask(x.shape, rate)
        y = self.apply(x, mask, rate)
        dy *= self.apply(np.ones_like(dy), mask, rate)
        return y, dy

    def target(self, **changes):
        conventions = ds.Conventions(randomness="owned", dy="consumed")
        return super().target(**{"conventions": conventions, **changes})


CORRECT = (
    WithEvaluation,
    TestScaledWithEvaluation,
    ScalesTheMask,
    DividesTheGradient,
    NegativeZeroGradients,
    ReplaysItsSeed,
    WithoutSeed,
    ConsumesDyAsDeclared,
)
