"""Noise with exactly one fault that the zoo does not have, and correct noise."""

import functools
import os
import random
import threading

import numpy as np
from plain import Core

import dropout_stats as ds
from dropout_stats import zoo
from dropout_stats.zoo.correct import DrawsFromAKey
from dropout_stats.zoo.repeats import CachedMask, SeededByTheBuffer
from dropout_stats.zoo.seeds import (
    AllSeedsAreOne,
    DrawsAtRateZero,
    DrawsFromTheHost,
    DrawsInEvaluation,
    EvaluationResetsTheSeed,
    ForkedProcessesDrawTheSame,
    IgnoresTheSeed,
    KeepsItsFirstState,
    LargeInputsIgnoreTheSeed,
    ReadsTheAddressOfTheSeed,
    ReseedsTheHost,
    SeedZeroIsNone,
    ThreadsDrawTheSame,
    TruncatesTheSeed,
)


def declaring(**conventions):
    """What makes a specimen declare more than that it owns its generator."""

    def decorate(specimen):
        class Declares(specimen):
            def target(self, **changes):
                declared = ds.Conventions(**{"randomness": "owned", **conventions})
                return super().target(**{"conventions": declared, **changes})

        return functools.update_wrapper(Declares, specimen, updated=())

    return decorate


class RateZeroSetsBack(Core):
    def train(self, x, rate):
        if rate == 0:
            self.rng = np.random.default_rng(7)
            return x.copy()
        return super().train(x, rate)


class BackwardSetsBack(Core):
    def vjp(self, x, dy, rate):
        found = super().vjp(x, dy, rate)
        self.rng = np.random.default_rng(7)
        return found


class AnotherShapeSetsBack(Core):
    last = None

    def train(self, x, rate):
        if self.last not in (None, x.shape):
            self.rng = np.random.default_rng(7)
        self.last = x.shape
        return super().train(x, rate)


class SeedsPython(Core):
    def evaluate(self, x, rate):
        random.seed(42)
        return super().evaluate(x, rate)


@declaring(randomness="global")
class SeedsNumPyThoughGlobal(Core):
    def train(self, x, rate):
        np.random.seed(42)
        return super().train(x, rate)


class Host:
    """A global generator of a framework, of which the target tells its state."""

    def __init__(self):
        self.rng = np.random.default_rng(1)

    def state(self):
        return str(self.rng.bit_generator.state)


class TouchesItsHost(Core):
    def __init__(self):
        super().__init__()
        self.host = Host()

    def train(self, x, rate):
        self.host.rng.random()
        return super().train(x, rate)

    def target(self, **changes):
        return super().target(**{"state": self.host.state, **changes})


@declaring(randomness="global")
class SetsItsHost(TouchesItsHost):
    def seed(self, number):
        super().seed(number)
        self.host.rng = np.random.default_rng(number)

    def train(self, x, rate):
        self.host.rng = np.random.default_rng(3)
        return super().train(x, rate)


@declaring(threads="independent")
class RaisesInThreads(Core):
    def train(self, x, rate):
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("only in the main thread")
        return super().train(x, rate)


@declaring(workers="independent")
class RaisesInWorkers(Core):
    def __init__(self):
        super().__init__()
        self.pid = os.getpid()

    def train(self, x, rate):
        if os.getpid() != self.pid:
            raise RuntimeError("only in the first process")
        return super().train(x, rate)


KILLED_BY = {
    EvaluationResetsTheSeed: "randomness.fresh",
    RateZeroSetsBack: "randomness.fresh",
    BackwardSetsBack: "randomness.fresh",
    AnotherShapeSetsBack: "randomness.fresh",
    SeededByTheBuffer: "randomness.fresh",
    CachedMask: "randomness.fresh",
    IgnoresTheSeed: "randomness.seed_repeats",
    ReadsTheAddressOfTheSeed: "randomness.seed_repeats",
    LargeInputsIgnoreTheSeed: "randomness.seed_repeats",
    SeedZeroIsNone: "randomness.seed_repeats",
    TruncatesTheSeed: "randomness.seeds_differ",
    AllSeedsAreOne: "randomness.seed_is_read",
    KeepsItsFirstState: "randomness.seed_is_read",
    DrawsAtRateZero: "randomness.idle",
    DrawsInEvaluation: "randomness.idle",
    ReseedsTheHost: "randomness.host_generators",
    SeedsPython: "randomness.host_generators",
    DrawsFromTheHost: "randomness.host_generators",
    SeedsNumPyThoughGlobal: "randomness.host_generators",
    TouchesItsHost: "randomness.host_generators",
    SetsItsHost: "randomness.host_generators",
    ThreadsDrawTheSame: "randomness.threads",
    RaisesInThreads: "randomness.threads",
    ForkedProcessesDrawTheSame: "randomness.forks",
    RaisesInWorkers: "randomness.forks",
}


@declaring(randomness="global")
class DrawsGlobally(Core):
    def seed(self, number):
        np.random.seed(number)

    def uniforms(self, shape):
        return np.random.random_sample(shape)


class Keyed(DrawsFromAKey):
    """It promises no more than that it takes a key."""

    conventions = ds.Conventions(randomness="key")


class StartsFromNumPy(Core):
    """Its generator starts from the global one, once, at the first call."""

    def __init__(self):
        super().__init__()
        self.rng = None

    def uniforms(self, shape):
        if self.rng is None:
            self.rng = np.random.default_rng(np.random.randint(2**31))
        return super().uniforms(shape)

    def target(self, **changes):
        return super().target(**{"seed": None, **changes})


class PutsNumPyBack(Core):
    """Draws from the global generator as an old library does, and leaves it as it was."""

    def uniforms(self, shape):
        found = np.random.get_state()
        np.random.seed(int(self.rng.integers(2**31)))
        drawn = np.random.random_sample(shape)
        np.random.set_state(found)
        return drawn


class RefusesLongSeeds(Core):
    def seed(self, number):
        if number >= 2**31:
            raise OverflowError("31 bits")
        super().seed(number)


class IgnoresHighBits(Core):
    def seed(self, number):
        super().seed(number & 0xFFFFFFFF)


class LehmerSeeds(Core):
    """The modulus is 2^31 - 1 and 0 is no state, so that 0, 1 and the last seed are one."""

    def seed(self, number):
        super().seed(number % (2**31 - 1) or 1)


@declaring(randomness="unspecified")
class SeededElsewhere(IgnoresTheSeed):
    """An adapter seeds its framework; the function has a generator of its own."""


CORRECT = (
    Core,
    zoo.Core,
    DrawsGlobally,
    Keyed,
    StartsFromNumPy,
    PutsNumPyBack,
    RefusesLongSeeds,
    IgnoresHighBits,
    LehmerSeeds,
    SeededElsewhere,
)
