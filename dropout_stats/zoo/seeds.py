"""Seeds do not do what they say, or randomness is taken from where it should not be."""

from __future__ import annotations

import itertools
import math
import os
import threading

import numpy as np

from dropout_stats.laws.reading import Array
from dropout_stats.zoo.core import Core, Mask
from dropout_stats.zoo.specimen import wrong

_NO_REPEAT = "the seed does not determine the noise"


@wrong(
    "microsoft/onnxruntime#6877",
    killed_by="randomness.seed_repeats",
    diagnosis=_NO_REPEAT,
    naive=True,
)
class IgnoresTheSeed(Core):
    """The seed is accepted and not used."""

    def seed(self, number: int | None) -> None:
        super().seed(None)


@wrong(
    "facebookresearch/xformers#173",
    killed_by="randomness.seed_repeats",
    diagnosis=_NO_REPEAT,
)
class ReadsTheAddressOfTheSeed(Core):
    """The generator is seeded with the address at which the seed is stored."""

    def __init__(self) -> None:
        self.stored: list[list[int]] = []
        super().__init__()

    def seed(self, number: int | None) -> None:
        if number is None:
            return super().seed(None)
        self.stored.append([number])
        return super().seed(id(self.stored[-1]))


@wrong(
    "pytorch/pytorch#74177",
    "pytorch/pytorch#18110",
    "soumith/cudnn.torch#198",
    killed_by="randomness.seed_is_read",
    diagnosis=_NO_REPEAT,
)
class KeepsItsFirstState(Core):
    """The state is cached at the first draw; a seed that comes later does not reach it."""

    def __init__(self) -> None:
        self.used = False
        super().__init__()

    def seed(self, number: int | None) -> None:
        if not self.used:
            super().seed(number)

    def uniforms(self, shape: tuple[int, ...]) -> Array:
        self.used = True
        return super().uniforms(shape)


@wrong(
    "ooples/AiDotNet.Tensors#684",
    killed_by="randomness.seed_repeats",
    diagnosis=_NO_REPEAT,
)
class LargeInputsIgnoreTheSeed(Core):
    """Above 10 000 units the work is shared by threads, whose generators are not seeded."""

    def uniforms(self, shape: tuple[int, ...]) -> Array:
        if math.prod(shape) > 10_000:
            return np.random.default_rng().random(shape)
        return super().uniforms(shape)


@wrong(
    "keras-team/keras#17548",
    killed_by="randomness.seed_repeats",
    diagnosis=_NO_REPEAT,
)
class CountsItsSeedings(Core):
    """A hidden counter is added to the seed."""

    def __init__(self) -> None:
        self.seedings = 0
        super().__init__()

    def seed(self, number: int | None) -> None:
        self.seedings += 1
        super().seed(None if number is None else number + self.seedings)


@wrong(
    "NeuralEnsemble/PyNN#214",
    "open-edge-platform/anomalib#3738",
    killed_by="randomness.seed_repeats",
    diagnosis=_NO_REPEAT,
)
class SeedZeroIsNone(Core):
    """The seed 0 is taken for none: `if seed` stands where `if seed is not None` belongs."""

    def seed(self, number: int | None) -> None:
        super().seed(number or None)


@wrong(
    "aws-neuron/aws-neuron-sdk#724",
    killed_by="randomness.seeds_differ",
    diagnosis="the seed is cut short",
)
class AllSeedsAreOne(Core):
    """Every seed gives the same noise."""

    def seed(self, number: int | None) -> None:
        super().seed(None if number is None else 0)


@wrong(
    "numpy/numpy#4676",
    killed_by="randomness.seeds_differ",
    diagnosis="the seed is cut short",
)
class TruncatesTheSeed(Core):
    """The seed is cut off after 16 bits."""

    def seed(self, number: int | None) -> None:
        super().seed(None if number is None else number % 2**16)


@wrong(
    killed_by="randomness.seeds_differ",
    diagnosis="the seed is a place in one sequence",
)
class SeedIsAPlace(Core):
    """The seed says how many draws of one sequence are passed over."""

    def seed(self, number: int | None) -> None:
        super().seed(None)
        if number is not None:
            self._generator = np.random.Generator(np.random.PCG64(0).advance(number))


@wrong(
    "keras-team/keras-core#434",
    killed_by="randomness.seeds_differ",
    diagnosis="the seed is a place in one sequence",
)
class CallsAreAddedToTheSeed(Core):
    """Each call starts from the sum of the seed and the number of calls that came before."""

    def seed(self, number: int | None) -> None:
        super().seed(number)
        self.start = int(self.rng.integers(2**31)) if number is None else number
        self.calls = itertools.count()

    def uniforms(self, shape: tuple[int, ...]) -> Array:
        if self._process != os.getpid():
            self.seed(None)
        return np.random.default_rng(self.start + next(self.calls)).random(shape)


@wrong(
    "pytorch/xla#1932",
    killed_by="randomness.fresh",
    diagnosis="something sets the generator back",
)
class EvaluationResetsTheSeed(Core):
    """Each evaluation pass resets the seed, so the next training pass draws what it once drew."""

    def seed(self, number: int | None) -> None:
        super().seed(number)
        self.first = self.rng.bit_generator.state

    def evaluate(self, x: Array, rate: float) -> Array:
        self.rng.bit_generator.state = self.first
        return super().evaluate(x, rate)


@wrong(
    "soumith/cudnn.torch#182",
    "keras-team/keras#11390",
    killed_by="randomness.host_generators",
    diagnosis="a generator of the whole program is touched",
)
class ReseedsTheHost(Core):
    """Each call seeds the global generator of NumPy, which others draw from."""

    def uniforms(self, shape: tuple[int, ...]) -> Array:
        np.random.seed(self.rng.integers(2**32))
        return np.random.random(shape)


@wrong(
    killed_by="randomness.host_generators",
    diagnosis="a generator of the whole program is touched",
)
class DrawsFromTheHost(Core):
    """Each call draws a seed from the global generator of NumPy as a default, and needs none."""

    def uniforms(self, shape: tuple[int, ...]) -> Array:
        np.random.randint(2**31)
        return super().uniforms(shape)


@wrong(
    "pytorch/pytorch#136656",
    "PaddlePaddle/Paddle#70527",
    killed_by="randomness.idle",
    diagnosis="randomness is used up where nothing is dropped",
)
class DrawsAtRateZero(Core):
    """At rate 0 numbers are drawn, and the masks that follow are others."""

    def mask(self, shape: tuple[int, ...], rate: float) -> Mask:
        return self.draw(shape, rate)


@wrong(
    killed_by="randomness.idle",
    diagnosis="randomness is used up where nothing is dropped",
)
class DrawsInEvaluation(Core):
    """An evaluation pass draws a mask and does not use it; the masks that follow are others."""

    def evaluate(self, x: Array, rate: float) -> Array:
        self.mask(x.shape, rate)
        return super().evaluate(x, rate)


@wrong(
    "NervanaSystems/ngraph#3006",
    killed_by="randomness.threads",
    diagnosis="threads draw the same noise",
)
class ThreadsDrawTheSame(Core):
    """Each thread has a generator, and all of them start from one seed."""

    def seed(self, number: int | None) -> None:
        super().seed(number)
        self.start = int(super().rng.integers(2**63))
        self.local = threading.local()

    @property
    def rng(self) -> np.random.Generator:
        if not hasattr(self.local, "rng"):
            self.local.rng = np.random.default_rng(self.start)
        generator: np.random.Generator = self.local.rng
        return generator


@wrong(
    "pytorch/pytorch#5059",
    "open-mmlab/OpenPCDet#886",
    killed_by="randomness.forks",
    diagnosis="forked processes draw the same noise",
)
class ForkedProcessesDrawTheSame(Core):
    """A forked process goes on with a copy of the generator of its parent."""

    @property
    def rng(self) -> np.random.Generator:
        return self._generator
