"""The scale is wrong, in training or in evaluation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dropout_stats.laws import Inverted, TestScaled
from dropout_stats.laws.reading import Array
from dropout_stats.target import Target
from dropout_stats.zoo.core import Core, Mask, TestScaledCore
from dropout_stats.zoo.faults import NotScaled, ScaledInEvaluation
from dropout_stats.zoo.specimen import wrong


@wrong(
    "NeuraLegion/shainet#106",
    killed_by="support.kept_value",
    diagnosis="no scaling",
    naive=True,
)
class NoScaling(NotScaled):
    """Kept values are not scaled, in training or in evaluation."""


@wrong(
    "lmjohns3/theanets#123",
    "gorgonia/gorgonia#69",
    "gorgonia/gorgonia#399",
    killed_by="support.kept_value",
    diagnosis="keep probability and drop rate swapped in the scale",
    naive=True,
)
class ScaledByTheRate(Core):
    """Kept values are divided by the rate; at rate 0.5 that is the same number."""

    def scale(self, rate: float) -> float:
        return 1 / rate if rate else 1.0


@wrong(
    "kaldi-asr/kaldi#2814",
    "kaldi-asr/kaldi#2815",
    killed_by="structure.shapes",
    diagnosis="wrong for some shapes",
)
class SequencesScaledByTheRate(Core):
    """The code path for sequences, arrays of three dimensions, divides by the rate."""

    def train(self, x: Array, rate: float) -> Any:
        if x.ndim == 3 and 0 < rate < 1:
            return super().train(x, rate) * x.dtype.type((1 - rate) / rate)
        return super().train(x, rate)


@wrong(killed_by="structure.shapes", diagnosis="wrong for some shapes")
class TailIsNotScaled(Core):
    """Units are processed four at a time, and what is left at the end is not scaled."""

    def apply(self, x: Array, mask: Mask, rate: float) -> Array:
        y = super().apply(x, mask, rate)
        body = x.size // 4 * 4
        y.flat[body:] = (x * mask).flat[body:]
        return y


@wrong(
    "CSTR-Edinburgh/mlpractical#32",
    killed_by="support.kept_value",
    diagnosis="scaled twice",
)
class ScaledTwice(Core):
    """Kept values are divided by keep_prob in two places."""

    def scale(self, rate: float) -> float:
        return 1 / (1 - rate) ** 2


@wrong(
    "ayrna/dlordinal#138",
    killed_by="support.kept_value",
    diagnosis="multiplied by keep_prob in training",
)
class MultipliedByKeepProb(Core):
    """Kept values are multiplied by keep_prob; they should be divided by it."""

    def scale(self, rate: float) -> float:
        return 1 - rate


@wrong(
    "miguelvr/dropblock#8",
    killed_by="support.kept_value",
    diagnosis="kept values have no common factor",
)
class OverlapsFlipTheSign(Core):
    """Two draws are subtracted from a mask of ones, which is -1 where both of them drop."""

    def draw(self, shape: tuple[int, ...], rate: float) -> Mask:
        each = 1 - math.sqrt(1 - rate)
        drops: Any = [~Core.draw(self, shape, each) for _ in range(2)]
        return np.asarray(1 - np.sum(drops, axis=0))

    def apply(self, x: Array, mask: Mask, rate: float) -> Array:
        return super().apply(x * mask.astype(x.dtype), mask, rate)


@wrong(
    "keras-team/keras#8069",
    "keras-team/keras#3305",
    killed_by="inference.law",
    diagnosis="scaled in both modes",
)
class ScaledInBothModes(ScaledInEvaluation):
    """Training divides by keep_prob, and evaluation multiplies by it as well."""


@wrong(killed_by="inference.law", diagnosis="scaled in both modes")
class InverseScaleInEvaluation(Core):
    """Evaluation divides by keep_prob, as training does."""

    def factor(self, rate: float) -> float:
        return 1 / (1 - rate) if rate < 1 else 1.0


@wrong(
    "karpathy/convnetjs#106",
    "PaddlePaddle/PaddleCustomDevice#1346",
    killed_by="inference.law",
    diagnosis="evaluation scaled by the rate instead of keep_prob",
)
class EvaluationScaledByTheRate(TestScaledCore):
    """Evaluation multiplies by the rate; it should multiply by keep_prob."""

    def factor(self, rate: float) -> float:
        return rate


@wrong(
    "mosaicml/composer#372",
    "felixgwu/img_classification_pk_pytorch#3",
    killed_by="inference.law",
    diagnosis="no scaling",
)
class EvaluationForgetsTheScale(TestScaledCore):
    """The factor of the evaluation pass is never reached: neither pass scales."""

    def factor(self, rate: float) -> float:
        return 1.0


@wrong(
    "rbgirshick/py-faster-rcnn#211",
    "chainer/chainer#531",
    killed_by="moments.mean",
    diagnosis="test-scaled dropout held to the inverted law",
)
class TestScaledUnderInverted(TestScaledCore):
    """Test-scaled dropout where inverted dropout is declared."""

    def target(self, **changes: Any) -> Target:
        return super().target(**{"law": Inverted(), **changes})


@wrong(
    "teelinsan/KerasDropconnect#1",
    "tensorflow/tensorflow#35724",
    killed_by="moments.mean",
    diagnosis="inverted dropout held to the test-scaled law",
)
class InvertedUnderTestScaled(Core):
    """Inverted dropout where the formula wants no scale in training."""

    def target(self, **changes: Any) -> Target:
        return super().target(**{"law": TestScaled(), **changes})


@wrong(
    killed_by="moments.enumerated",
    diagnosis="the pass with a given mask does not follow the law",
)
class ApplyForgetsTheScale(Core):
    """The pass that takes its mask from outside does not scale."""

    def target(self, **changes: Any) -> Target:
        unscaled = {"apply": TestScaledCore().apply}
        return super().target(**{**unscaled, **changes})


@wrong(killed_by="structure.rates", diagnosis="wrong at some rates")
class ForgetsTheScaleAtOneHalf(Core):
    """A shortcut for rate 0.5, where a shift would do, forgets the scale."""

    def scale(self, rate: float) -> float:
        return 1.0 if rate == 0.5 else super().scale(rate)
