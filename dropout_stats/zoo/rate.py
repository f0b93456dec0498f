"""Units are kept with another probability than keep_prob."""

from __future__ import annotations

from typing import Any

import numpy as np

from dropout_stats.laws.reading import Array
from dropout_stats.target import Output
from dropout_stats.zoo.core import Core, Mask
from dropout_stats.zoo.faults import AtHalfTheRate, KeptAtTheRate
from dropout_stats.zoo.specimen import wrong


@wrong(
    "v-iashin/CS231n#8",
    "deeplearning4j/nd4j#1373",
    "deeplearning4j/nd4j#1864",
    "ericzhang-cn/random.js#2",
    killed_by="rate.marginal",
    diagnosis="keep probability and drop rate swapped in the mask",
    naive=True,
)
class SwappedMask(KeptAtTheRate):
    """Units are kept where they should be dropped; at rate 0.5 that is the same law."""


@wrong(
    "titu1994/Inception-v4#5",
    "bonlime/keras-deeplab-v3-plus#4",
    "hassony2/kinetics_i3d_pytorch#6",
    "hunkim/DeepLearningZeroToAll#204",
    "google-research/electra#61",
    "scut-mingqinchen/Self2Self#7",
    killed_by="rate.marginal",
    diagnosis="keep probability and drop rate swapped in mask and scale",
)
class SwappedBoth(SwappedMask):
    """The rate is taken for the keep probability throughout."""

    def scale(self, rate: float) -> float:
        return 1 / rate if rate else 1.0


@wrong(
    "evintunador/templateGPT#1",
    "pytorch/ignite#2072",
    "meta-pytorch/torchtune#996",
    "paiml/aprender#2170",
    "huggingface/peft#1806",
    "tensorflow/tpu#381",
    "huggingface/pytorch-openai-transformer-lm#49",
    "huggingface/transformers#28059",
    "deeplearning4j/deeplearning4j#47",
    "Oneflow-Inc/models#271",
    "google-research/vision_transformer#19",
    "FluxML/Flux.jl#1084",
    "FluxML/Zygote.jl#583",
    "TiagoCortinhal/SalsaNext#40",
    "onnx/onnx#4855",
    "onnx/onnx#1173",
    "microsoft/onnxruntime#5549",
    "keras-team/keras#16144",
    killed_by="rate.marginal",
    diagnosis="never dropping",
)
class NeverDrops(Core):
    """The result of the training pass is thrown away, and the input returned."""

    def train(self, x: Array, rate: float) -> Any:
        super().train(x, rate)
        return x.copy()


@wrong(
    "lucidrains/DALLE2-pytorch#235",
    killed_by="support.returned_mask",
    diagnosis="never dropping",
)
class MaskIsNeverApplied(Core):
    """A mask is drawn and returned, but not applied."""

    def train(self, x: Array, rate: float) -> Any:
        self.require(rate)
        return Output(x.copy(), mask=self.mask(x.shape, rate))


@wrong(
    "BVLC/caffe#63",
    "torch/torch7#43",
    killed_by="rate.marginal",
    diagnosis="always dropping",
)
class TruncatesTheProbability(Core):
    """The keep probability passes through an integer, which makes it 0."""

    def draw(self, shape: tuple[int, ...], rate: float) -> Mask:
        return np.asarray(self.uniforms(shape) < int(1 - rate))


@wrong(
    "Artaches/SSAN-self-attention-sentiment-analysis-classification#2",
    killed_by="rate.marginal",
    diagnosis="applied twice",
)
class AppliedTwice(Core):
    """Two dropouts in a row; the mean is right."""

    def train(self, x: Array, rate: float) -> Any:
        return super().train(super().train(x, rate), rate)


@wrong(
    "pyg-team/pytorch_geometric#10783",
    killed_by="rate.marginal",
    diagnosis="applied several times",
)
class AppliedAtEveryHop(Core):
    """Each of four hops drops what the hop before has left; the mean is right."""

    def train(self, x: Array, rate: float) -> Any:
        for _ in range(4):
            x = super().train(x, rate)
        return x


@wrong(
    "qubvel/efficientnet#135",
    "NVIDIA-NeMo/Speech#6120",
    killed_by="moments.variance",
    diagnosis="another rate is used throughout",
)
class ScheduleStopsHalfway(AtHalfTheRate):
    """A schedule over the depth reaches half of the rate: mean and evaluation are right."""


@wrong(
    "frgfm/holocron#156",
    killed_by="rate.marginal",
    diagnosis="the rate does not reach the mask",
)
class IgnoresTheRate(Core):
    """The mask is drawn at the rate 0.5, whatever the rate is."""

    def draw(self, shape: tuple[int, ...], rate: float) -> Mask:
        return super().draw(shape, 0.5)


@wrong(killed_by="calls.drift", diagnosis="the rate drifts over the calls")
class RateDrifts(Core):
    """The rate is too small for 64 calls, then too large for 64, and so on; its mean is right."""

    def seed(self, number: int | None) -> None:
        super().seed(number)
        self.calls = 0

    def draw(self, shape: tuple[int, ...], rate: float) -> Mask:
        sign = 1 if self.calls // 64 % 2 else -1
        self.calls += 1
        return super().draw(shape, rate + sign * 0.1 * min(rate, 1 - rate))


@wrong(killed_by="structure.frequencies", diagnosis="another rate in calls of another shape")
class NeverDropsInThreeDimensions(Core):
    """The path for three dimensions keeps every unit, and scales it."""

    def draw(self, shape: tuple[int, ...], rate: float) -> Mask:
        return super().draw(shape, rate) | (len(shape) == 3)


@wrong(killed_by="structure.frequencies", diagnosis="another rate in calls of another shape")
class NeverDropsInLargeCalls(Core):
    """Above 100,000 units, which are shared out among threads, every unit is kept."""

    def draw(self, shape: tuple[int, ...], rate: float) -> Mask:
        return super().draw(shape, rate) | (np.prod(shape) > 100_000)
