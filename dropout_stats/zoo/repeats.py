"""Masks come back, or follow from those of earlier calls."""

from __future__ import annotations

import math
from copy import deepcopy
from typing import Any

import numpy as np

from dropout_stats.laws.reading import Array
from dropout_stats.zoo.core import Core, Mask
from dropout_stats.zoo.specimen import wrong


@wrong(
    "PaddlePaddle/Paddle#7796",
    "Oneflow-Inc/oneflow#5378",
    "Dao-AILab/flash-attention#2088",
    killed_by="calls.repeated_mask",
    diagnosis="the same mask comes back",
)
class SameMask(Core):
    """Each call makes a generator from one constant seed."""

    def uniforms(self, shape: tuple[int, ...]) -> Array:
        return np.random.default_rng(0).random(shape)


@wrong(
    "Dao-AILab/flash-attention#314",
    "pytorch/pytorch#84614",
    killed_by="calls.repeated_mask",
    diagnosis="the same mask comes back",
)
class GeneratorNotAdvanced(Core):
    """Each call draws from a copy of the generator, which itself is never advanced."""

    def uniforms(self, shape: tuple[int, ...]) -> Array:
        return deepcopy(self.rng).random(shape)


@wrong(
    "elixir-nx/axon#423",
    "tinygrad/tinygrad#1957",
    "pytorch/pytorch#9069",
    "tensorflow/tensorflow#29391",
    killed_by="calls.repeated_mask",
    diagnosis="the same mask comes back",
)
class CachedMask(Core):
    """The mask of the first call at a shape and a rate is kept, as a trace or a cell keeps it."""

    def seed(self, number: int | None) -> None:
        super().seed(number)
        self.cache: dict[tuple[tuple[int, ...], float], Mask] = {}

    def draw(self, shape: tuple[int, ...], rate: float) -> Mask:
        return self.cache.setdefault((shape, rate), super().draw(shape, rate))


@wrong(
    "pytorch/xla#1932",
    killed_by="calls.repeated_mask",
    diagnosis="the same mask comes back",
    naive=True,
)
class TwoMasks(Core):
    """The seed is reset at each step of two calls: two masks take turns."""

    def seed(self, number: int | None) -> None:
        super().seed(number)
        self.seeds = self.rng.integers(2**32, size=2)
        self.calls = 0

    def uniforms(self, shape: tuple[int, ...]) -> Array:
        self.calls += 1
        return np.random.default_rng(self.seeds[self.calls % 2]).random(shape)


@wrong(
    "google/flax#4589",
    "tensorflow/tensorflow#40215",
    "allenai/allennlp#2320",
    killed_by="calls.repeated_mask",
    diagnosis="the same mask comes back",
)
class LayersShareTheirMask(Core):
    """Two layers, called in turn, draw from generators in the same state."""

    def seed(self, number: int | None) -> None:
        super().seed(number)
        self.twin: np.random.Generator | None = None

    def uniforms(self, shape: tuple[int, ...]) -> Array:
        if self.twin is None:
            self.twin = deepcopy(self.rng)
            return self.rng.random(shape)
        twin, self.twin = self.twin, None
        return twin.random(shape)


@wrong(
    "NervanaSystems/ngraph#3006",
    killed_by="calls.repeated_mask",
    diagnosis="the same mask comes back",
    naive=True,
    resolution=2.0**-10,
)
class FewSeeds(Core):
    """Each call is seeded with one of 4096 numbers."""

    def uniforms(self, shape: tuple[int, ...]) -> Array:
        return np.random.default_rng(self.rng.integers(4096)).random(shape)


@wrong(
    "vllm-project/vllm#55009",
    killed_by="calls.repeated_mask",
    diagnosis="the same mask comes back",
)
class SeededByTheBuffer(Core):
    """The seed is the address and the size of the input: a buffer used again gets its old mask."""

    def train(self, x: Array, rate: float) -> Any:
        self.seed(x.ctypes.data ^ x.size)
        return super().train(x, rate)


@wrong(
    "AMReX-Codes/amrex#5662",
    killed_by="calls.previous",
    diagnosis="calls reuse the draws of earlier calls",
    naive=True,
)
class ShiftedStream(Core):
    """Each call starts one draw after the start of the call before it."""

    def seed(self, number: int | None) -> None:
        super().seed(number)
        self.stream = np.random.PCG64(int(self.rng.integers(2**63)))

    def uniforms(self, shape: tuple[int, ...]) -> Array:
        window = np.random.Generator(deepcopy(self.stream)).random(math.prod(shape))
        self.stream.advance(self.advance(window.size))
        return window.reshape(shape)

    def advance(self, units: int) -> int:
        """By how many draws the next call starts later."""
        return 1


@wrong(killed_by="calls.overlap", diagnosis="calls reuse the draws of earlier calls")
class OverlappingStream(ShiftedStream):
    """Each call starts a sixteenth of its draws before the end of the call before it."""

    def advance(self, units: int) -> int:
        return units - units // 16


@wrong(
    "pytorch/pytorch#50110",
    killed_by="calls.previous",
    diagnosis="calls reuse the draws of earlier calls",
)
class CounterAdvancesByHalf(Core):
    """A thread draws for eight units, and its counter advances by four numbers."""

    def seed(self, number: int | None) -> None:
        super().seed(number)
        self.key, self.counter = int(self.rng.integers(2**63)), 0

    def uniforms(self, shape: tuple[int, ...]) -> Array:
        size = math.prod(shape)
        halves = [self.four_of_each(-(-size // 8), self.counter + half) for half in (0, 1)]
        self.counter += 1
        return np.concatenate(halves, axis=1).reshape(-1)[:size].reshape(shape)

    def four_of_each(self, threads: int, counter: int) -> Array:
        """Four numbers of each thread, at a place of its sequence."""
        return np.random.default_rng([self.key, counter]).random((threads, 4))
