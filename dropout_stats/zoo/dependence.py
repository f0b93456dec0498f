"""The units of one call depend on each other, or on where they are."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dropout_stats.conventions import Conventions
from dropout_stats.laws.reading import Array
from dropout_stats.zoo.core import Core, Mask, TestScaledCore, promising
from dropout_stats.zoo.specimen import wrong

_MODULUS = np.uint64(2**31 - 1)
_SHARED = "units do not draw independently"


@wrong(
    "clab/dynet#812",
    "google/flax#4973",
    killed_by="dependence.axes",
    diagnosis=_SHARED,
    naive=True,
)
class BatchSharesItsMask(Core):
    """All rows of a batch, or lanes of a vmap, have one mask."""

    def uniforms(self, shape: tuple[int, ...]) -> Array:
        return _sharing(self, shape, 0) if len(shape) > 1 else super().uniforms(shape)


@wrong(
    "miguelvr/dropblock#24",
    "google/flax#4950",
    killed_by="dependence.axes",
    diagnosis=_SHARED,
)
class ChannelsShareTheirMask(Core):
    """All channels of an image, or steps of a scan (axis 1 of 3 and more), have one mask."""

    def uniforms(self, shape: tuple[int, ...]) -> Array:
        return _sharing(self, shape, 1) if len(shape) > 2 else super().uniforms(shape)


@wrong(
    "rwth-i6/returnn#366",
    "keras-team/keras#9841",
    killed_by="dependence.axes",
    diagnosis=_SHARED,
)
class BatchAndTimeShareTheirMask(Core):
    """A noise shape that is left open is shared over batch and time: one mask for all of them."""

    def uniforms(self, shape: tuple[int, ...]) -> Array:
        return _sharing(self, shape, 0, 1) if len(shape) > 2 else super().uniforms(shape)


@wrong(
    "pytorch/pytorch#77081",
    "pytorch/pytorch#79611",
    "tensorflow/tensorflow#45916",
    killed_by="calls.count_dispersion",
    diagnosis=_SHARED,
)
class RowsShareTheirDraw(Core):
    """Whole samples are kept or dropped."""

    def uniforms(self, shape: tuple[int, ...]) -> Array:
        return _sharing(self, shape, *range(1, len(shape)))


@wrong(
    "pytorch/pytorch#22879",
    "pytorch/pytorch#69801",
    killed_by="dependence.axes",
    diagnosis=_SHARED,
)
class ChannelsShareTheirDraw(Core):
    """Whole channels of an image (four dimensions and more) are kept or dropped."""

    def uniforms(self, shape: tuple[int, ...]) -> Array:
        axes = range(2, len(shape)) if len(shape) > 3 else ()
        return _sharing(self, shape, *axes)


@wrong(
    "keras-team/keras-cv#473",
    killed_by="calls.count_dispersion",
    diagnosis=_SHARED,
)
class OneDrawForAll(Core):
    """One draw decides for the whole batch."""

    def uniforms(self, shape: tuple[int, ...]) -> Array:
        return _sharing(self, shape, *range(len(shape)))


@wrong(
    "keras-team/keras-cv#473",
    "keras-team/keras-cv#474",
    killed_by="calls.count_dispersion",
    diagnosis=_SHARED,
)
class BatchSurvivesWhole(OneDrawForAll, TestScaledCore):
    """One draw decides for the whole batch, which evaluation multiplies by keep_prob."""


@wrong(
    "PaddlePaddle/PaddleFleetX#1005",
    "NVIDIA/Megatron-LM#1256",
    killed_by="dependence.all_lags",
    diagnosis=_SHARED,
)
class SequenceShardsShareTheirMask(Core):
    """The last axis is split over two ranks, which start from the same state."""

    def uniforms(self, shape: tuple[int, ...]) -> Array:
        if len(shape) < 2 or shape[-1] % 2:
            return super().uniforms(shape)
        shard = super().uniforms((*shape[:-1], shape[-1] // 2))
        return np.concatenate([shard] * 2, axis=-1)


@wrong(
    "pytorch/pytorch#187227",
    "pytorch/pytorch#188015",
    "xlite-dev/ffpa-attn#352",
    "flagos-ai/FlagGems#23",
    killed_by="dependence.lag",
    diagnosis=_SHARED,
    naive=True,
)
class PeriodicMask(Core):
    """The counter of the generator wraps: the mask repeats after 256 units."""

    def uniforms(self, shape: tuple[int, ...]) -> Array:
        return np.resize(super().uniforms((256,)), shape)


@wrong("pytorch/pytorch#198333", killed_by="dependence.axes", diagnosis=_SHARED)
class FourChannelsShareTheirMask(Core):
    """A kernel that draws four numbers at a time gives four channels (axis 1) one mask."""

    def uniforms(self, shape: tuple[int, ...]) -> Array:
        if len(shape) < 3:
            return super().uniforms(shape)
        drawn = super().uniforms((shape[0], -(-shape[1] // 4), *shape[2:]))
        return drawn.repeat(4, axis=1)[:, : shape[1]]


@wrong(killed_by="dependence.axes", diagnosis=_SHARED)
class RowsTakeTurns(Core):
    """Of eight rows that follow each other the even ones have one mask, the odd ones another."""

    def uniforms(self, shape: tuple[int, ...]) -> Array:
        if len(shape) < 2:
            return super().uniforms(shape)
        *lead, rows, columns = shape
        drawn = super().uniforms((*lead, -(-rows // 8), 2, columns))
        taken = np.arange(rows)
        return drawn[..., taken // 8, taken % 2, :]


@wrong(killed_by="dependence.lag", diagnosis=_SHARED)
class NeighboursShareADraw(Core):
    """Every 32-bit draw serves two units."""

    def uniforms(self, shape: tuple[int, ...]) -> Array:
        size = math.prod(shape)
        return super().uniforms(((size + 1) // 2,)).repeat(2)[:size].reshape(shape)


@wrong(
    "modern-fortran/neural-fortran#194",
    "clab/dynet#182",
    killed_by="calls.count_dispersion",
    diagnosis=_SHARED,
    naive=True,
)
class ExactCount(Core):
    """The number of kept units is always the expected one."""

    def draw(self, shape: tuple[int, ...], rate: float) -> Mask:
        size = math.prod(shape)
        kept = np.arange(size) < round(size * (1 - rate))
        return self.rng.permutation(kept).reshape(shape)


@wrong(killed_by="dependence.row_dispersion", diagnosis=_SHARED)
class ExactCountInEachRow(Core):
    """The number of kept units of each row is the expected one, rounded up or down by chance."""

    def draw(self, shape: tuple[int, ...], rate: float) -> Mask:
        if len(shape) < 2:
            return super().draw(shape, rate)
        rows, columns = shape[0], math.prod(shape[1:])
        counts = np.floor(columns * (1 - rate) + self.rng.random((rows, 1)))
        return self.rng.permuted(np.arange(columns) < counts, axis=1).reshape(shape)


@wrong(
    "diliadis/DeepMTP#28",
    "ivadomed/ivadomed#705",
    killed_by="dependence.survivors",
    diagnosis="one unit always survives",
    naive=True,
)
class ForcedSurvivor(Core):
    """Where all units would be dropped, one of them is kept."""

    def draw(self, shape: tuple[int, ...], rate: float) -> Mask:
        mask = super().draw(shape, rate)
        if mask.size and not mask.any():
            mask.reshape(-1)[self.rng.integers(mask.size)] = True
        return mask


@wrong(killed_by="dependence.patterns", diagnosis=_SHARED)
class SurvivorInEachByte(Core):
    """Of eight units that follow each other at least one is kept."""

    def draw(self, shape: tuple[int, ...], rate: float) -> Mask:
        mask = super().draw(shape, rate)
        whole = mask.size // 8 * 8
        bytes_ = mask.reshape(-1)[:whole].reshape(-1, 8)
        empty = np.flatnonzero(~bytes_.any(axis=1))
        bytes_[empty, self.rng.integers(8, size=empty.size)] = True
        return mask


@wrong(
    killed_by="position.unit",
    diagnosis="the keep probability depends on the position",
    naive=True,
)
class TailIsKept(Core):
    """Units are processed four at a time, and what is left at the end is never dropped."""

    def draw(self, shape: tuple[int, ...], rate: float) -> Mask:
        mask = super().draw(shape, rate)
        mask.flat[mask.size // 4 * 4 :] = True
        return mask


@wrong(killed_by="position.modulus", diagnosis="the keep probability depends on the position")
class BlockTailsAreKept(Core):
    """The last three units of each block of 64 are never dropped."""

    def draw(self, shape: tuple[int, ...], rate: float) -> Mask:
        mask = super().draw(shape, rate)
        mask |= (np.arange(mask.size) % 64 >= 61).reshape(shape)
        return mask


@wrong(killed_by="position.unit", diagnosis="the keep probability depends on the position")
class FirstUnitIsKept(Core):
    """The loop starts at the second unit: the first is never dropped."""

    def draw(self, shape: tuple[int, ...], rate: float) -> Mask:
        mask = super().draw(shape, rate)
        mask.flat[:1] = True
        return mask


@wrong(killed_by="position.unit", diagnosis="the keep probability depends on the position")
class StartsFromTheNextNumber(Core):
    """Each call starts a minimal-standard generator anew, from a number that is larger by one.

    Its first draw is proportional to that number, so that it hardly changes from call to call.
    """

    conventions: ClassVar[Conventions] = promising(workers="unspecified")

    def seed(self, number: int | None) -> None:
        super().seed(number)
        self._start = int(self.rng.integers(2**31 - 1))

    def uniforms(self, shape: tuple[int, ...]) -> Array:
        self._start = self._start % (2**31 - 2) + 1
        powers = _minimal_standard(int(np.prod(shape)))
        return (powers * np.uint64(self._start) % _MODULUS / float(_MODULUS)).reshape(shape)


@lru_cache(maxsize=8)
def _minimal_standard(length: int) -> NDArray[np.uint64]:
    """16807, 16807^2, ... modulo 2^31 - 1 (Park and Miller 1988)."""
    powers, block = np.array([16807], np.uint64), np.uint64(16807)
    while len(powers) < length:
        powers = np.concatenate([powers, powers * block % _MODULUS])
        block = block * block % _MODULUS
    return powers[:length]


@wrong(killed_by="position.axis", diagnosis="the keep probability depends on the position")
class LastColumnIsKept(Core):
    """The loop over the last axis ends one column early."""

    def draw(self, shape: tuple[int, ...], rate: float) -> Mask:
        mask = super().draw(shape, rate)
        if mask.ndim:
            mask[..., -1] = True
        return mask


@wrong(killed_by="gap.nonlinear", diagnosis=_SHARED, resolution=2.0**-9)
class StratifiedUniforms(Core):
    """Of each 64 numbers in a row one lies in each 64th of [0, 1): sums of units vary too little.

    Quasi-random numbers do so, to make a mean more exact. Each unit is right.
    """

    def uniforms(self, shape: tuple[int, ...]) -> Array:
        size = int(np.prod(shape))
        strata = self.rng.permuted(np.tile(np.arange(64), (-(-size // 64), 1)), axis=1)
        drawn = (strata.reshape(-1)[:size] + self.rng.random(size)) / 64
        return np.asarray(drawn.reshape(shape))


@wrong(killed_by="input.class", diagnosis="the mask depends on the input")
class DependsOnTheSign(Core):
    """Negative inputs are dropped more often than positive ones; the mean of the two is right."""

    def train(self, x: Array, rate: float) -> Any:
        self.require(rate)
        if rate in (0, 1):
            return super().train(x, rate)
        tilt = 0.2 * min(rate, 1 - rate)
        mask = self.uniforms(x.shape) >= np.where(x < 0, rate + tilt, rate - tilt)
        return self.apply(x, mask, rate)


def _sharing(core: Core, shape: tuple[int, ...], *axes: int) -> Array:
    """Draw uniforms that are the same along these axes."""
    drawn = tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    return np.broadcast_to(Core.uniforms(core, drawn), shape)
