"""What is taken and given is not what was declared."""

from __future__ import annotations

from typing import Any

import numpy as np

from dropout_stats.laws.reading import Array
from dropout_stats.target import Output
from dropout_stats.zoo.core import Core, Mask
from dropout_stats.zoo.specimen import wrong

_WRONG_MASK = "the returned mask is not the mask that was applied"


@wrong(
    "ml-explore/mlx#1321",
    "pytorch/pytorch#195705",
    killed_by="interface.dtype",
    diagnosis="the type is promoted",
    naive=True,
)
class Promotes(Core):
    """The output is float64, whatever the input is."""

    def train(self, x: Array, rate: float) -> Any:
        return super().train(x, rate).astype(np.float64)


@wrong(
    "Lasagne/Lasagne#563",
    "lisa-lab/pylearn2#884",
    killed_by="interface.numpy_rate",
    diagnosis="the type is promoted",
)
class PromotesForNumPyRates(Core):
    """A rate that is a NumPy scalar promotes the output to its own type."""

    def apply(self, x: Array, mask: Mask, rate: float) -> Array:
        return (
            np.zeros_like(x) if rate == 1 else np.where(mask, x * self.scale(rate), x.dtype.type(0))
        )


@wrong(
    "pytorch/pytorch#47176",
    "pytorch/pytorch#174078",
    killed_by="structure.layouts",
    diagnosis="values end up in other places",
    naive=True,
)
class PermutesStridedValues(Core):
    """Inputs are read as they lie in memory: strided ones end up in another order."""

    def train(self, x: Array, rate: float) -> Any:
        return super().train(x.ravel(order="K"), rate).reshape(x.shape)


@wrong(killed_by="support.kept_value", diagnosis="values end up in other places")
class PermutesValues(Core):
    """The output is in reverse order."""

    def train(self, x: Array, rate: float) -> Any:
        return super().train(x, rate).reshape(-1)[::-1].reshape(x.shape)


@wrong(
    "deeplearning4j/deeplearning4j#1510",
    "Oneflow-Inc/oneflow#9808",
    "BVLC/caffe#117",
    "BVLC/caffe#2688",
    killed_by="interface.input_unchanged",
    diagnosis="the input is overwritten",
)
class WritesIntoItsInput(Core):
    """The training pass works in place, on an array that belongs to the caller."""

    def train(self, x: Array, rate: float) -> Any:
        x[...] = super().train(x, rate)
        return x


@wrong(
    "pytorch/pytorch#92283",
    "pytorch/pytorch#92975",
    "tensorflow/tfjs#1617",
    killed_by="interface.shape",
    diagnosis="an axis is lost",
)
class LosesAnAxis(Core):
    """Axes of length 1 are dropped from the output."""

    def train(self, x: Array, rate: float) -> Any:
        return super().train(x, rate).squeeze()


@wrong(killed_by="interface.call", diagnosis="no array is returned")
class ReturnsAList(Core):
    """The output is a list."""

    def train(self, x: Array, rate: float) -> Any:
        return super().train(x, rate).tolist()


@wrong(
    killed_by="interface.call",
    diagnosis="training passes raise after others were answered",
)
class RaisesAtCallThirty(Core):
    """The thirty-first call raises."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def train(self, x: Array, rate: float) -> Any:
        self.calls += 1
        if self.calls > 30:
            raise RuntimeError("the thirty-first call is one too many")
        return super().train(x, rate)


class _ReturnsAMask(Core):
    def train(self, x: Array, rate: float) -> Any:
        self.require(rate)
        mask = self.mask(x.shape, rate)
        return Output(self.apply(x, mask, rate), mask=self.returned(mask))

    def returned(self, mask: Mask) -> Mask:
        raise NotImplementedError


@wrong(
    "pyg-team/pytorch_geometric#5513",
    killed_by="support.returned_mask",
    diagnosis=_WRONG_MASK,
)
class ReturnsTheDropMask(_ReturnsAMask):
    """The returned mask is true where the unit was dropped."""

    def returned(self, mask: Mask) -> Mask:
        return ~mask


@wrong(
    "pyg-team/pytorch_geometric#5495",
    killed_by="support.returned_mask",
    diagnosis=_WRONG_MASK,
)
class ReturnsAShiftedMask(_ReturnsAMask):
    """The returned mask is aligned with the units after those that it was applied to."""

    def returned(self, mask: Mask) -> Mask:
        return np.roll(mask, 1)


@wrong(
    "microsoft/onnxruntime#1507",
    killed_by="support.returned_mask",
    diagnosis=_WRONG_MASK,
)
class ReturnsAnEmptyMask(_ReturnsAMask):
    """The returned mask is empty."""

    def returned(self, mask: Mask) -> Mask:
        return np.zeros(0, bool)
