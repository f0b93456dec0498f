"""Noise that comes from the wrong place, each time with one fault; and correct noise."""

import functools
import itertools
import os
import random
import threading

import numpy as np
from plain import Core

import dropout_stats as ds


def declaring(**conventions):
    """What makes a specimen declare more than that it owns its generator."""

    def decorate(specimen):
        class Declares(specimen):
            def target(self, **changes):
                declared = ds.Conventions(**{"randomness": "owned", **conventions})
                return super().target(**{"conventions": declared, **changes})

        return functools.update_wrapper(Declares, specimen, updated=())

    return decorate


class EvaluationSetsBack(Core):
    def evaluate(self, x, rate):
        self.rng = np.random.default_rng(7)
        return super().evaluate(x, rate)


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


class MaskOfTheAddress(Core):
    def train(self, x, rate):
        self.rng = np.random.default_rng(x.ctypes.data ^ x.size)
        return super().train(x, rate)


class MaskOfTheShape(Core):
    def __init__(self):
        super().__init__()
        self.masks = {}

    def mask(self, shape, rate):
        if shape not in self.masks:
            self.masks[shape] = super().mask(shape, rate)
        return self.masks[shape]


class SeedIsNotUsed(Core):
    def seed(self, number):
        pass


class SeedByItsAddress(Core):
    addresses = itertools.count(1000)

    def seed(self, number):
        super().seed(next(self.addresses))


class ThreadsShareLargeCalls(Core):
    """Above 10 000 units, the second half is drawn by whichever thread comes first."""

    def uniforms(self, shape):
        drawn = super().uniforms(shape)
        if drawn.size > 10_000:
            half = drawn.reshape(-1)[drawn.size // 2 :]
            half[...] = np.random.default_rng().random(half.size)
        return drawn


class SeedZeroIsNone(Core):
    def seed(self, number):
        self.rng = np.random.default_rng(number or None)


class SixteenBitSeeds(Core):
    def seed(self, number):
        super().seed(number & 0xFFFF)


class SeedsByHalves(Core):
    def seed(self, number):
        super().seed(number // 2)


class FirstSeedWins(Core):
    first = None

    def seed(self, number):
        if self.first is None:
            self.first = number
        super().seed(self.first)


class SeedIsReadOnce(Core):
    """The state is made at first use, and a later seed does not reach it."""

    state = None

    def seed(self, number):
        self.number = number

    def uniforms(self, shape):
        if self.state is None:
            self.state = np.random.default_rng(self.number)
        return self.state.random(shape)


@declaring(idle_draws="none")
class DrawsAtRateZero(Core):
    pass


@declaring(idle_draws="none")
class DrawsInEvaluation(Core):
    def train(self, x, rate):
        return super().train(x, rate) if rate else x.copy()

    def evaluate(self, x, rate):
        self.uniforms(x.shape)
        return super().evaluate(x, rate)


class SeedsNumPy(Core):
    def train(self, x, rate):
        np.random.seed(42)
        return super().train(x, rate)


class SeedsPython(Core):
    def evaluate(self, x, rate):
        random.seed(42)
        return super().evaluate(x, rate)


class DrawsFromNumPy(Core):
    def uniforms(self, shape):
        return super().uniforms(shape) * 1.0 + 0.0 * np.random.random_sample()


@declaring(randomness="global")
class SeedsNumPyThoughGlobal(SeedsNumPy):
    pass


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
class EveryThreadTheSame(Core):
    """Each thread has a generator of its own, and all of them start alike."""

    def __init__(self):
        super().__init__()
        self.own = threading.local()

    def uniforms(self, shape):
        if not hasattr(self.own, "rng"):
            self.own.rng = np.random.default_rng(5)
        return self.own.rng.random(shape)


@declaring(threads="independent")
class RaisesInThreads(Core):
    def train(self, x, rate):
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("only in the main thread")
        return super().train(x, rate)


@declaring(workers="independent")
class InheritsItsGenerator(Core):
    pass


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
    EvaluationSetsBack: "randomness.fresh",
    RateZeroSetsBack: "randomness.fresh",
    BackwardSetsBack: "randomness.fresh",
    AnotherShapeSetsBack: "randomness.fresh",
    MaskOfTheAddress: "randomness.fresh",
    MaskOfTheShape: "randomness.fresh",
    SeedIsNotUsed: "randomness.seed_repeats",
    SeedByItsAddress: "randomness.seed_repeats",
    ThreadsShareLargeCalls: "randomness.seed_repeats",
    SeedZeroIsNone: "randomness.seed_repeats",
    SixteenBitSeeds: "randomness.seeds_differ",
    SeedsByHalves: "randomness.seeds_differ",
    FirstSeedWins: "randomness.seed_is_read",
    SeedIsReadOnce: "randomness.seed_is_read",
    DrawsAtRateZero: "randomness.idle",
    DrawsInEvaluation: "randomness.idle",
    SeedsNumPy: "randomness.host_generators",
    SeedsPython: "randomness.host_generators",
    DrawsFromNumPy: "randomness.host_generators",
    SeedsNumPyThoughGlobal: "randomness.host_generators",
    TouchesItsHost: "randomness.host_generators",
    SetsItsHost: "randomness.host_generators",
    EveryThreadTheSame: "randomness.threads",
    RaisesInThreads: "randomness.threads",
    InheritsItsGenerator: "randomness.forks",
    RaisesInWorkers: "randomness.forks",
}


@declaring(randomness="global")
class DrawsGlobally(Core):
    def seed(self, number):
        np.random.seed(number)

    def uniforms(self, shape):
        return np.random.random_sample(shape)


class Keyed:
    """A function of its key; whatever it may keep is none of the noise."""

    def target(self, **changes):
        def train(x, rate, *, key):
            core = Core()
            core.seed(key)
            return core.train(x, rate)

        def vjp(x, dy, rate, *, key):
            core = Core()
            core.seed(key)
            return core.vjp(x, dy, rate)

        parts = {"train": train, "vjp": vjp, "evaluate": Core().evaluate, "name": "Keyed"}
        return ds.Target(**{**parts, "conventions": ds.Conventions(randomness="key"), **changes})


@declaring(idle_draws="none")
class DrawsNothingWhereNothingDrops(Core):
    def mask(self, shape, rate):
        return super().mask(shape, rate) if rate else np.ones(shape, bool)


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
class SeededElsewhere(SeedIsNotUsed):
    """An adapter seeds its framework; the function has a generator of its own."""


@declaring(threads="independent")
class OneGeneratorUnderALock(Core):
    """NumPy's generators lock themselves."""


@declaring(workers="independent", threads="independent")
class StartsAnewAfterAFork(Core):
    def __init__(self):
        super().__init__()
        self.pid = os.getpid()

    def uniforms(self, shape):
        if os.getpid() != self.pid:
            self.pid, self.rng = os.getpid(), np.random.default_rng()
        return super().uniforms(shape)


CORRECT = (
    Core,
    DrawsGlobally,
    Keyed,
    DrawsNothingWhereNothingDrops,
    StartsFromNumPy,
    PutsNumPyBack,
    RefusesLongSeeds,
    IgnoresHighBits,
    LehmerSeeds,
    SeededElsewhere,
    OneGeneratorUnderALock,
    StartsAnewAfterAFork,
)
