"""The core of the zoo with fewer promises: what is not declared must not be held against it."""

import numpy as np

import dropout_stats as ds
from dropout_stats import zoo
from dropout_stats.zoo.correct import (
    ComputesInDouble,
    DividesByKeepProb,
    EvaluationIsAView,
    Float32Uniforms,
    FortranOrder,
    IntegerThreshold,
    NegativeZeros,
    ReturnsItsMask,
    ReusesItsBuffer,
    ScaleInsideTheMask,
)


class Core(zoo.Core):
    """Draws at every rate, from a generator that anybody may replace; declares next to nothing."""

    conventions = ds.Conventions(rate_domain="[0, 1]", randomness="owned")
    rng = None

    def __init__(self):
        self.rng = np.random.default_rng(2026)

    def seed(self, number):
        self.rng = np.random.default_rng(number)

    def mask(self, shape, rate):
        return self.uniforms(shape) >= rate

    def require(self, rate):
        pass

    def target(self, **changes):
        return super().target(**{"evaluate_vjp": None, "peers": None, **changes})


class TestScaledCore(Core):
    """The same under the test-scaled law."""

    __test__ = False
    law = ds.laws.TestScaled()


class AlwaysDrops(Core):
    """Keeps nothing."""

    def mask(self, shape, rate):
        return np.zeros(shape, bool)


# Correct classes whose conventions may be replaced.
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
