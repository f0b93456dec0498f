"""Dropouts that are correct and look unusual: a harness that accuses them is wrong."""

from __future__ import annotations

import itertools
import math
import os
import threading
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from dropout_stats.conventions import Conventions
from dropout_stats.laws.reading import Array
from dropout_stats.target import Output, Target
from dropout_stats.zoo.core import Core, Mask, TestScaledCore, promising
from dropout_stats.zoo.specimen import correct


@correct
class Float32Uniforms(Core):
    """Uniforms have 24 bits, so the keep probability is off by up to 2^-25."""

    def uniforms(self, shape: tuple[int, ...]) -> Array:
        return self.rng.random(shape, dtype=np.float32)


@correct
class IntegerThreshold(Core):
    """Integers of 24 bits are compared with a rounded threshold."""

    def draw(self, shape: tuple[int, ...], rate: float) -> Mask:
        return np.asarray(self.rng.integers(0, 2**24, shape) >= round(rate * 2**24))


@correct
class RandomBytes(Core):
    """The mask is made of the bytes of a stream, eight for each unit."""

    def draw(self, shape: tuple[int, ...], rate: float) -> Mask:
        words = np.frombuffer(self.rng.bytes(8 * math.prod(shape)), np.uint64)
        return ((words >> np.uint64(11)) >= math.ceil(rate * 2**53)).reshape(shape)


@correct
class BitByBit(Core):
    """Packed random bits are compared with the binary digits of the rate until all differ."""

    def draw(self, shape: tuple[int, ...], rate: float) -> Mask:
        kept = np.zeros(math.prod(shape), bool)
        undecided = np.arange(kept.size)
        for place in range(1, 54):
            packed = np.frombuffer(self.rng.bytes(-(-undecided.size // 8)), np.uint8)
            bits = np.unpackbits(packed, count=undecided.size)
            digit = int(rate * 2**place) % 2
            kept[undecided[bits > digit]] = True
            undecided = undecided[bits == digit]
            if not undecided.size:
                break
        kept[undecided] = True
        return kept.reshape(shape)


@correct
class JumpsFromDropToDrop(Core):
    """Not the mask is drawn but the gaps between dropped units, which are geometric."""

    def draw(self, shape: tuple[int, ...], rate: float) -> Mask:
        mask = np.ones(math.prod(shape), bool)
        dropped = np.cumsum(self.rng.geometric(rate, mask.size).astype(np.float64)) - 1
        mask[dropped[dropped < mask.size].astype(np.intp)] = False
        return mask.reshape(shape)


@correct
class BinomialDraws(Core):
    """The mask is a binomial count of one trial."""

    def draw(self, shape: tuple[int, ...], rate: float) -> Mask:
        return np.asarray(self.rng.binomial(1, 1 - rate, shape).astype(bool))


@correct
class LegacyGenerator(Core):
    """Noise comes from a Mersenne Twister, the generator of old NumPy."""

    def seed(self, number: int | None) -> None:
        super().seed(number)
        self.twister = np.random.RandomState(self.rng.integers(2**32, size=8))

    def uniforms(self, shape: tuple[int, ...]) -> Array:
        if self._process != os.getpid():
            self.seed(None)
        return np.asarray(self.twister.random_sample(shape))


@correct
class ChunksOfACounter(Core):
    """The noise of each chunk of 1024 units is a place of one counter-based generator."""

    def seed(self, number: int | None) -> None:
        super().seed(number)
        self.key = self.rng.integers(2**63, size=2, dtype=np.uint64)
        self.calls = itertools.count()

    def uniforms(self, shape: tuple[int, ...]) -> Array:
        if self._process != os.getpid():
            self.seed(None)
        call, size = next(self.calls), math.prod(shape)
        chunks = [
            np.random.Generator(np.random.Philox(key=self.key, counter=[0, 0, first, call])).random(
                min(1024, size - first)
            )
            for first in range(0, size, 1024)
        ]
        return np.concatenate(chunks or [np.empty(0)]).reshape(shape)


@correct
class GeneratorForEachCall(Core):
    """Each call spawns a generator and throws it away."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        super().__init__()

    def uniforms(self, shape: tuple[int, ...]) -> Array:
        with self.lock:
            spawned = self.rng.spawn(1)[0]
        return spawned.random(shape)


@correct
class GeneratorForEachThread(Core):
    """Each thread has a generator of its own, numbered in the order in which they begin."""

    def seed(self, number: int | None) -> None:
        super().seed(number)
        self.start = int(super().rng.integers(2**63))
        self.local = threading.local()
        self.threads = itertools.count()

    @property
    def rng(self) -> np.random.Generator:
        if self._process != os.getpid():
            self.seed(None)
        if not hasattr(self.local, "rng"):
            self.local.rng = np.random.default_rng([self.start, next(self.threads)])
        generator: np.random.Generator = self.local.rng
        return generator


@correct
class DividesByKeepProb(Core):
    """The mask is a factor, and the product is divided; a dropped negative value becomes -0."""

    conventions: ClassVar[Conventions] = promising(dropped_nonfinite="propagate")

    def apply(self, x: Array, mask: Mask, rate: float) -> Array:
        if rate == 1:
            return np.zeros_like(x)
        return np.asarray(x * mask / x.dtype.type(1 - rate), x.dtype)


@correct
class ScaleInsideTheMask(Core):
    """The mask holds the scale."""

    conventions: ClassVar[Conventions] = promising(dropped_nonfinite="propagate")

    def apply(self, x: Array, mask: Mask, rate: float) -> Array:
        if rate == 1:
            return np.zeros_like(x)
        return np.asarray(x * (mask.astype(np.float32) / np.float32(1 - rate)).astype(x.dtype))


@correct
class ComputesInDouble(Core):
    """Values are computed in float64 and rounded once."""

    def apply(self, x: Array, mask: Mask, rate: float) -> Array:
        return super().apply(x.astype(np.float64), mask, rate).astype(x.dtype)


@correct
class NegativeZeros(Core):
    """Dropped units are -0."""

    def apply(self, x: Array, mask: Mask, rate: float) -> Array:
        return np.asarray(np.where(mask, super().apply(x, mask, rate), x.dtype.type(-0.0)))


@correct
class RateTravelsThroughFloat32(Core):
    """The rate is rounded to float32 on its way."""

    def mask(self, shape: tuple[int, ...], rate: float) -> Mask:
        return super().mask(shape, float(np.float32(rate)))

    def scale(self, rate: float) -> float:
        return float(1 / (np.float32(1) - np.float32(rate)))


@correct
class EvaluationTravelsThroughFloat32(TestScaledCore):
    """Evaluation computes keep_prob in float32."""

    def factor(self, rate: float) -> float:
        return float(np.float32(1) - np.float32(rate))


@correct
class ReusesItsBuffer(Core):
    """All outputs of a shape are the same array."""

    conventions: ClassVar[Conventions] = promising(threads="unspecified")

    def __init__(self) -> None:
        super().__init__()
        self.buffers: dict[tuple[Any, ...], Array] = {}

    def train(self, x: Array, rate: float) -> Any:
        y = super().train(x, rate)
        buffer = self.buffers.setdefault((x.shape, x.dtype), np.empty_like(y))
        buffer[...] = y
        return buffer


@correct
class FortranOrder(Core):
    """The output lies column by column."""

    def train(self, x: Array, rate: float) -> Any:
        return np.asfortranarray(super().train(x, rate)).reshape(x.shape, order="A")


@correct
class ReadOnlyOutput(Core):
    """The output cannot be written to."""

    def train(self, x: Array, rate: float) -> Any:
        y = super().train(x, rate)
        y.flags.writeable = False
        return y


@correct
class EvaluationIsAView(Core):
    """Evaluation returns its input itself."""

    def evaluate(self, x: Array, rate: float) -> Array:
        return x


@correct
class ReturnsItsMask(Core):
    """The mask is returned beside the output."""

    def train(self, x: Array, rate: float) -> Any:
        self.require(rate)
        mask = self.mask(x.shape, rate)
        return Output(self.apply(x, mask, rate), mask=mask)


@correct
class TakesKeepProb(Core):
    """It is handed the keep probability, and its inside works with the rate."""

    conventions: ClassVar[Conventions] = promising(rate_argument="keep_prob")

    def target(self, **changes: Any) -> Target:
        takes_keep_prob = {
            "train": lambda x, keep_prob: self.train(x, 1 - keep_prob),
            "evaluate": lambda x, keep_prob: self.evaluate(x, 1 - keep_prob),
            "vjp": lambda x, dy, keep_prob: self.vjp(x, dy, 1 - keep_prob),
            "evaluate_vjp": lambda x, dy, keep_prob: self.evaluate_vjp(x, dy, 1 - keep_prob),
            "peers": lambda x, keep_prob, count: self.peers(x, 1 - keep_prob, count),
        }
        return super().target(**{**takes_keep_prob, **changes})


@correct
class DrawsFromAKey(Core):
    """It has no state: the noise of a call follows from the key that the call is handed."""

    conventions: ClassVar[Conventions] = promising(randomness="key")

    def target(self, **changes: Any) -> Target:
        def train(x: Array, rate: float, *, key: int) -> Any:
            return started_from(key).train(x, rate)

        def vjp(x: Array, dy: Array, rate: float, *, key: int) -> tuple[Array, Array]:
            return started_from(key).vjp(x, dy, rate)

        def peers(x: Array, rate: float, count: int, *, key: int) -> Array:
            return started_from(key).peers(x, rate, count)

        def started_from(key: int) -> Core:
            core = Core()
            core.seed(key)
            return core

        keyed = {"train": train, "vjp": vjp, "peers": peers, "seed": None}
        return super().target(**{**keyed, **changes})


@correct
class HalfPrecision(Core):
    """It is declared for float16, in which kept values have eleven digits."""

    conventions: ClassVar[Conventions] = promising(dtypes=("float16",))


@correct
class Layer(Core):
    """A layer that is built once a rate, has a mode, and remembers its mask."""

    def target(self, **changes: Any) -> Target:
        core = self

        class Built:
            def __init__(self, rate: float) -> None:
                core.require(rate)
                self.rate, self.training = rate, True

            def forward(self, x: Array) -> Array:
                if not self.training:
                    return core.evaluate(x, self.rate)
                self.mask = mask = core.mask(x.shape, self.rate)
                return core.apply(x, mask, self.rate)

            def backward(self, dy: Array) -> Array:
                return core.apply(dy, self.mask, self.rate)

        built = Target.from_layer(
            Built, seed=self.seed, law=self.law, conventions=self.conventions, name="Layer"
        )
        return replace(built, **changes)
