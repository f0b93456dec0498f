"""The ends of the rate, rates that are none, and values that are not finite."""

from __future__ import annotations

import numpy as np

from dropout_stats.laws.reading import Array
from dropout_stats.zoo.core import Core, Mask
from dropout_stats.zoo.specimen import wrong


@wrong(
    "gorgonia/gorgonia#69",
    "google/flax#2055",
    killed_by="limits.rate_one",
    diagnosis="0 times infinity at rate 1",
    naive=True,
)
class NaNAtRateOne(Core):
    """At rate 1 dropped units are 0/0."""

    def apply(self, x: Array, mask: Mask, rate: float) -> Array:
        return np.asarray(np.where(mask, x, x.dtype.type(0)) / x.dtype.type(1 - rate))


@wrong(
    "elixir-nx/axon#367",
    "tensorflow/tensorflow#24845",
    killed_by="limits.rate_one",
    diagnosis="raising at rate 1",
)
class RaisesAtRateOne(Core):
    """At rate 1 the scale divides by zero, which raises."""

    def apply(self, x: Array, mask: Mask, rate: float) -> Array:
        scaled = x * x.dtype.type(1 / (1 - float(rate)))
        return np.asarray(np.where(mask, scaled, x.dtype.type(0)))


@wrong("tracel-ai/burn#2694", killed_by="interface.invalid_rate", diagnosis="accepting any rate")
class AcceptsAnyRate(Core):
    """A rate that is none is accepted."""

    def require(self, rate: float) -> None:
        pass


@wrong(killed_by="structure.values", diagnosis="unusual values are changed")
class CleansNaN(Core):
    """NaN in the input is replaced by 0, which hides a network that diverges."""

    def apply(self, x: Array, mask: Mask, rate: float) -> Array:
        return super().apply(np.where(np.isnan(x), x.dtype.type(0), x), mask, rate)


@wrong(
    "pytorch/pytorch#59421",
    killed_by="structure.values",
    diagnosis="0 times infinity",
    naive=True,
)
class InfinityTimesZero(Core):
    """The mask is a factor: an infinite input that is dropped becomes NaN."""

    def apply(self, x: Array, mask: Mask, rate: float) -> Array:
        return np.asarray(super().apply(x, np.ones_like(mask), rate) * mask.astype(x.dtype))
