"""Dropouts with exactly one fault, and correct ones that look unusual.

Each is built from the same correct core; the fault is what the class body changes.
"""

import itertools

import numpy as np

import dropout_stats as ds

INVERTED = ds.laws.Inverted()
TEST_SCALED = ds.laws.TestScaled()


class Core:
    """A correct dropout, inverted or test-scaled, whose every step can be overridden."""

    law = INVERTED

    def __init__(self):
        self.rng = np.random.default_rng(2026)

    def seed(self, number):
        self.rng = np.random.default_rng(number)

    def uniforms(self, shape):
        return self.rng.random(shape)

    def mask(self, shape, rate):
        return self.uniforms(shape) >= rate

    def scale(self, rate):
        return 1 / (1 - rate) if self.law == INVERTED else 1.0

    def factor(self, rate):
        return 1.0 if self.law == INVERTED else 1 - rate

    def train(self, x, rate):
        return self.apply(x, self.mask(x.shape, rate), rate)

    def apply(self, x, mask, rate):
        if rate == 1:
            return np.zeros_like(x)
        return np.where(mask, x * x.dtype.type(self.scale(rate)), x.dtype.type(0))

    def evaluate(self, x, rate):
        return x * x.dtype.type(self.factor(rate))

    def vjp(self, x, dy, rate):
        mask = self.mask(x.shape, rate)
        return self.apply(x, mask, rate), self.apply(dy, mask, rate)

    def target(self, **changes):
        parts = {
            "train": self.train,
            "evaluate": self.evaluate,
            "vjp": self.vjp,
            "seed": self.seed,
            "name": type(self).__name__,
            "law": self.law,
            "conventions": ds.Conventions(rate_domain="[0, 1]", randomness="owned"),
        }
        return ds.Target(**{**parts, **changes})


class TestScaledCore(Core):
    __test__ = False
    law = TEST_SCALED


class NoScaling(Core):
    def scale(self, rate):
        return 1.0


class ScaledByTheRate(Core):
    def scale(self, rate):
        return 1 / rate if rate else 1.0


class SwappedMask(Core):
    def mask(self, shape, rate):
        return self.uniforms(shape) < rate


class SwappedBoth(SwappedMask):
    def scale(self, rate):
        return 1 / rate if rate else 1.0


class ScaledTwice(Core):
    def scale(self, rate):
        return 1 / (1 - rate) ** 2


class ScaledInBothModes(Core):
    def factor(self, rate):
        return 1 - rate


class InverseScaleInEvaluation(Core):
    def factor(self, rate):
        return 1 / (1 - rate) if rate < 1 else 1.0


class EvaluationScaledByTheRate(TestScaledCore):
    def factor(self, rate):
        return rate


class DropsInEvaluation(Core):
    def evaluate(self, x, rate):
        return self.train(x, rate)


class NeverDrops(Core):
    def train(self, x, rate):
        return x.copy()


class AlwaysDrops(Core):
    def mask(self, shape, rate):
        return np.zeros(shape, bool)


class AppliedTwice(Core):
    def train(self, x, rate):
        return super().train(super().train(x, rate), rate)


class TestScaledUnderInverted(TestScaledCore):
    def target(self, **changes):
        return super().target(law=INVERTED, **changes)


class EightBitThreshold(Core):
    def mask(self, shape, rate):
        return self.rng.integers(0, 256, shape) <= int(255 * (1 - rate))


class SameMask(Core):
    def train(self, x, rate):
        self.rng = np.random.default_rng(0)
        return super().train(x, rate)


class TwoMasks(Core):
    def __init__(self):
        super().__init__()
        self.turn = itertools.count()

    def train(self, x, rate):
        self.rng = np.random.default_rng(next(self.turn) % 2)
        return super().train(x, rate)


class RowsShareTheirDraw(Core):
    def mask(self, shape, rate):
        return np.broadcast_to(self.uniforms(shape[:1] + (1,) * (len(shape) - 1)) >= rate, shape)


class OneDrawForAll(Core):
    def mask(self, shape, rate):
        return np.broadcast_to(self.uniforms(()) >= rate, shape)


class ExactCount(Core):
    def mask(self, shape, rate):
        mask = np.zeros(int(np.prod(shape)), bool)
        mask[: round(mask.size * (1 - rate))] = True
        return self.rng.permutation(mask).reshape(shape)


class FreshMaskInBackward(Core):
    def vjp(self, x, dy, rate):
        return self.train(x, rate), self.train(dy, rate)


class UnmaskedGradient(Core):
    def vjp(self, x, dy, rate):
        return self.train(x, rate), dy * dy.dtype.type(self.scale(rate))


class UnscaledGradient(Core):
    def vjp(self, x, dy, rate):
        mask = self.mask(x.shape, rate)
        return self.apply(x, mask, rate), np.where(mask, dy, dy.dtype.type(0))


class WritesIntoItsInput(Core):
    def train(self, x, rate):
        x[...] = super().train(x, rate)
        return x


class Promotes(Core):
    def train(self, x, rate):
        return super().train(x, rate).astype(np.float64)


class LosesAnAxis(Core):
    def train(self, x, rate):
        y = super().train(x, rate)
        return y.reshape(-1) if y.ndim == 3 else y


class LeaksAtRateZero(Core):
    def mask(self, shape, rate):
        return self.uniforms(shape) >= max(rate, 1e-3)


class NaNAtRateOne(Core):
    def apply(self, x, mask, rate):
        return x * mask / x.dtype.type(1 - rate)


class PermutesValues(Core):
    def train(self, x, rate):
        return super().train(x, rate).reshape(-1)[::-1].reshape(x.shape)


class ReturnsAnotherMask(Core):
    def train(self, x, rate):
        mask = self.mask(x.shape, rate)
        return ds.Output(self.apply(x, mask, rate), mask=~mask)


class RaisesAtCallThirty(Core):
    def __init__(self):
        super().__init__()
        self.calls = 0

    def train(self, x, rate):
        self.calls += 1
        if self.calls > 30:
            raise RuntimeError("the thirty-first call is one too many")
        return super().train(x, rate)


class ReturnsAList(Core):
    def train(self, x, rate):
        return super().train(x, rate).tolist()


class NoisyEvaluation(Core):
    def evaluate(self, x, rate):
        return x + self.rng.normal(0, 1e-3, x.shape).astype(x.dtype)


class ApplyForgetsTheScale(Core):
    def target(self, **changes):
        forgets = {"apply": lambda x, noise, rate: np.where(noise, x, x.dtype.type(0))}
        return super().target(**{**forgets, **changes})


# The check that must kill each specimen, by its own reason and not by a neighbour's.
KILLED_BY = {
    NoScaling: "support.kept_value",
    ScaledByTheRate: "support.kept_value",
    SwappedMask: "rate.marginal",
    SwappedBoth: "rate.marginal",
    ScaledTwice: "support.kept_value",
    ScaledInBothModes: "inference.law",
    InverseScaleInEvaluation: "inference.law",
    EvaluationScaledByTheRate: "inference.law",
    DropsInEvaluation: "inference.deterministic",
    NeverDrops: "rate.marginal",
    AlwaysDrops: "rate.marginal",
    AppliedTwice: "rate.marginal",
    TestScaledUnderInverted: "moments.mean",
    EightBitThreshold: "rate.marginal",
    SameMask: "calls.repeated_mask",
    TwoMasks: "calls.repeated_mask",
    RowsShareTheirDraw: "calls.count_dispersion",
    OneDrawForAll: "calls.count_dispersion",
    ExactCount: "calls.count_dispersion",
    FreshMaskInBackward: "gradient.same_noise",
    UnmaskedGradient: "gradient.dropped_is_zero",
    UnscaledGradient: "gradient.same_noise",
    WritesIntoItsInput: "interface.input_unchanged",
    Promotes: "interface.dtype",
    LosesAnAxis: "interface.shape",
    LeaksAtRateZero: "limits.rate_zero",
    NaNAtRateOne: "limits.rate_one",
    PermutesValues: "support.kept_value",
    ReturnsAnotherMask: "support.returned_mask",
    RaisesAtCallThirty: "interface.call",
    ReturnsAList: "interface.call",
    NoisyEvaluation: "inference.deterministic",
    ApplyForgetsTheScale: "moments.enumerated",
}


class Float32Uniforms(Core):
    def uniforms(self, shape):
        return self.rng.random(shape, dtype=np.float32)


class IntegerThreshold(Core):
    def mask(self, shape, rate):
        return self.rng.integers(0, 2**24, shape) >= round(rate * 2**24)


class DividesByKeepProb(Core):
    def apply(self, x, mask, rate):
        if rate == 1:
            return np.zeros_like(x)
        return (x * mask / x.dtype.type(1 - rate)).astype(x.dtype)


class ScaleInsideTheMask(Core):
    def apply(self, x, mask, rate):
        if rate == 1:
            return np.zeros_like(x)
        return x * (mask.astype(np.float32) / np.float32(1 - rate)).astype(x.dtype)


class ComputesInDouble(Core):
    def apply(self, x, mask, rate):
        return super().apply(x.astype(np.float64), mask, rate).astype(x.dtype)


class NegativeZeros(Core):
    def apply(self, x, mask, rate):
        return np.where(mask, super().apply(x, mask, rate), x.dtype.type(-0.0))


class ReusesItsBuffer(Core):
    def __init__(self):
        super().__init__()
        self.buffers = {}

    def train(self, x, rate):
        y = super().train(x, rate)
        buffer = self.buffers.setdefault((x.shape, x.dtype), np.empty_like(y))
        buffer[...] = y
        return buffer


class FortranOrder(Core):
    def train(self, x, rate):
        return np.asfortranarray(super().train(x, rate)).reshape(x.shape, order="A")


class EvaluationIsAView(Core):
    def evaluate(self, x, rate):
        return x


class ReturnsItsMask(Core):
    def train(self, x, rate):
        mask = self.mask(x.shape, rate)
        return ds.Output(self.apply(x, mask, rate), mask=mask)


CORRECT = (
    Core,
    TestScaledCore,
    Float32Uniforms,
    IntegerThreshold,
    DividesByKeepProb,
    ScaleInsideTheMask,
    ComputesInDouble,
    NegativeZeros,
    ReusesItsBuffer,
    FortranOrder,
    EvaluationIsAView,
    ReturnsItsMask,
)
