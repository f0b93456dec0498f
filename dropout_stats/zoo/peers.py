"""Layers, workers, lanes and ranks that run side by side draw the same noise, or should."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from dropout_stats.conventions import Conventions
from dropout_stats.laws.reading import Array
from dropout_stats.zoo.core import Core, promising
from dropout_stats.zoo.specimen import correct, wrong


@wrong(
    "volcengine/veScale#52",
    "goodfire-ai/spd#412",
    "tenstorrent/tt-metal#16823",
    "tenstorrent/tt-metal#55947",
    killed_by="peers.copy",
    diagnosis="peers draw the same noise",
)
class RanksShareTheirMask(Core):
    """The random state is copied to every rank, so all ranks draw one mask."""

    def peers(self, x: Array, rate: float, count: int) -> Array:
        return np.repeat(super().peers(x, rate, 1), count, axis=0)


@wrong(killed_by="peers.copy", diagnosis="peers draw the same noise")
class RanksFollowEachOther(Core):
    """The seed of a rank is a base and its number, and each step adds 1 to the base."""

    def seed(self, number: int | None) -> None:
        super().seed(number)
        self._step = int(self._generator.integers(2**31))

    def peers(self, x: Array, rate: float, count: int) -> Array:
        self.require(rate)
        self._step += 1
        generators = (np.random.default_rng(self._step + rank) for rank in range(count))
        masks = (generator.random(x.shape) >= rate for generator in generators)
        return np.stack([self.apply(x, mask, rate) for mask in masks])


@wrong(
    "AMReX-Codes/amrex#5662",
    killed_by="peers.overlap",
    diagnosis="peers draw the same noise",
)
class RanksAreShiftedByOne(Core):
    """All ranks read one sequence, and each starts one place after the rank before."""

    def peers(self, x: Array, rate: float, count: int) -> Array:
        self.require(rate)
        sequence = self.uniforms((x.size + count - 1,))
        parts = (sequence[rank : rank + x.size].reshape(x.shape) for rank in range(count))
        return np.stack([self.apply(x, part >= rate, rate) for part in parts])


@correct
class RanksThatAgree(Core):
    """Ranks that hold copies of one activation draw one mask from a seed that they share."""

    conventions: ClassVar[Conventions] = promising(peers="same")

    def peers(self, x: Array, rate: float, count: int) -> Array:
        return np.repeat(super().peers(x, rate, 1), count, axis=0)


@wrong(killed_by="peers.agree", diagnosis="peers that must agree draw different noise")
class RanksThatMustAgreeDoNot(RanksThatAgree):
    """The context that sets their common seed is left out, so each goes on with its own."""

    def peers(self, x: Array, rate: float, count: int) -> Array:
        return Core.peers(self, x, rate, count)


@wrong(killed_by="calls.repeated_mask", diagnosis="the same mask comes back")
class RanksKeepTheirMask(Core):
    """Each rank has a mask of its own, and the same at every step."""

    def peers(self, x: Array, rate: float, count: int) -> Array:
        self.require(rate)
        masks = (np.random.default_rng(rank).random(x.shape) >= rate for rank in range(count))
        return np.stack([self.apply(x, mask, rate) for mask in masks])
