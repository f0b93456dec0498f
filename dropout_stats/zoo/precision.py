"""The keep probability or a kept value has too few digits."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from dropout_stats.conventions import Conventions
from dropout_stats.laws.reading import Array
from dropout_stats.zoo.core import Core, Mask, promising
from dropout_stats.zoo.specimen import wrong


def _eight_bits(number: Any) -> Any:
    """Round to eight significant bits, as bfloat16 does."""
    digits, exponents = np.frexp(number)
    return np.ldexp(np.round(256 * digits), exponents - 8)


@wrong(
    "NVIDIA/apex#1614",
    "NVIDIA/TransformerEngine#2014",
    "ROCm/composable_kernel#903",
    killed_by="rate.marginal",
    diagnosis="an 8-bit threshold",
    naive=True,
    resolution=2.0**-9,
)
class EightBitThreshold(Core):
    """The keep probability is rounded to 8 bits, and the comparison includes the threshold."""

    def draw(self, shape: tuple[int, ...], rate: float) -> Mask:
        return np.asarray(self.rng.integers(0, 256, shape) <= int(255 * (1 - rate)))


@wrong("Dao-AILab/flash-attention#2597", killed_by="rate.marginal", diagnosis="a 4-bit threshold")
class SixteenthsOfARate(Core):
    """The rate is rounded to a multiple of 1/16 without a word."""

    def draw(self, shape: tuple[int, ...], rate: float) -> Mask:
        return super().draw(shape, round(16 * rate) / 16)


@wrong(
    killed_by="rate.marginal",
    diagnosis="the rate is rounded to bfloat16",
    resolution=2.0**-9,
)
class RateInBfloat16(Core):
    """The rate is rounded to eight significant bits before the mask is drawn."""

    def draw(self, shape: tuple[int, ...], rate: float) -> Mask:
        return super().draw(shape, float(_eight_bits(rate)))


@wrong(
    "jax-ml/jax#28039",
    killed_by="rate.marginal",
    diagnosis="wrong for one type only",
)
class SixteenBitProbability(Core):
    """The threshold is computed in the type of the input; in float16, 65536 is infinite."""

    conventions: ClassVar[Conventions] = promising(dtypes=("float32", "float16"))

    def train(self, x: Array, rate: float) -> Any:
        self.dtype = x.dtype
        return super().train(x, rate)

    def vjp(self, x: Array, dy: Array, rate: float) -> tuple[Array, Array]:
        self.dtype = x.dtype
        return super().vjp(x, dy, rate)

    def draw(self, shape: tuple[int, ...], rate: float) -> Mask:
        threshold = self.dtype.type(1 - rate) * self.dtype.type(2**16)
        return np.asarray(self.rng.integers(0, 2**16, shape) < threshold)


@wrong(
    "jwohlwend/boltz#553",
    "jwohlwend/boltz#554",
    killed_by="limits.rate_zero",
    diagnosis="dropping at rate 0",
)
class EightBitUniforms(Core):
    """Uniforms have 8 bits and are sometimes 0, which is not greater than the rate 0."""

    def mask(self, shape: tuple[int, ...], rate: float) -> Mask:
        return np.asarray(self.rng.integers(0, 256, shape) / 256 > rate)


@wrong(
    "jwohlwend/boltz#553",
    killed_by="rate.marginal",
    diagnosis="an 8-bit threshold",
    resolution=2.0**-10,
)
class FloorOfAShortSum(Core):
    """The mask is the floor of keep_prob plus a uniform, both in 8 bits: it is 2 now and then."""

    def draw(self, shape: tuple[int, ...], rate: float) -> Mask:
        total = self.rng.integers(0, 256, shape) / 256 + _eight_bits(1 - rate)
        return np.asarray(np.floor(_eight_bits(total)))

    def apply(self, x: Array, mask: Mask, rate: float) -> Array:
        return np.asarray(super().apply(x, mask, rate) * mask.astype(x.dtype))


@wrong(
    "pytorch/pytorch#26807",
    "pytorch/pytorch#15356",
    "apache/mxnet#9816",
    "Oneflow-Inc/oneflow#2937",
    "ROCm/tensorflow-upstream#2128",
    "pytorch/pytorch#151717",
    killed_by="limits.rate_zero",
    diagnosis="dropping at rate 0",
    naive=True,
)
class LeaksAtRateZero(Core):
    """At rate 0 a unit is dropped now and then: there is no short cut, and uniforms are too low."""

    def mask(self, shape: tuple[int, ...], rate: float) -> Mask:
        return np.asarray(self.uniforms(shape) >= max(rate, 1e-3))


@wrong(killed_by="support.kept_value", diagnosis="kept values are rounded")
class HalfPrecisionScale(Core):
    """The scale is rounded to float16, whatever the type of the input."""

    def scale(self, rate: float) -> float:
        return float(np.float16(super().scale(rate)))


@wrong(killed_by="precision.values", diagnosis="kept values are rounded")
class ComputesInHalfPrecision(Core):
    """Values are computed in float16 and given back in the type of the input."""

    def apply(self, x: Array, mask: Mask, rate: float) -> Array:
        return super().apply(x.astype(np.float16), mask, rate).astype(x.dtype)


@wrong(killed_by="precision.values", diagnosis="kept values are rounded")
class DoublesThroughFloat32(Core):
    """The product of a double is taken in float32, and handed back as a double."""

    conventions: ClassVar[Conventions] = promising(dtypes=("float32", "float64"))

    def apply(self, x: Array, mask: Mask, rate: float) -> Array:
        return super().apply(x.astype(np.float32), mask, rate).astype(x.dtype)
