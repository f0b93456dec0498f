"""The backward pass does not belong to its forward pass."""

from __future__ import annotations

import numpy as np

from dropout_stats.laws.reading import Array
from dropout_stats.zoo.core import Core, Mask, TestScaledCore
from dropout_stats.zoo.faults import DrawnAgainInBackward
from dropout_stats.zoo.specimen import wrong

_DISAGREES = "the backward pass disagrees with its forward pass"
_UNMASKED = "the backward pass does not apply the mask"


@wrong(
    "openai/guided-diffusion#167",
    "ankanbhunia/PIDM#66",
    "pytorch/pytorch#190758",
    "pytorch/pytorch#190717",
    killed_by="gradient.same_noise",
    diagnosis=_DISAGREES,
    naive=True,
)
class FreshMaskInBackward(DrawnAgainInBackward):
    """The backward pass draws its own mask, as a recomputation without the random state does."""


@wrong(
    "PaddlePaddle/Paddle#21298",
    "PaddlePaddle/Paddle#21590",
    killed_by="gradient.same_noise",
    diagnosis=_DISAGREES,
)
class RecomputationMakesAnotherSeed(DrawnAgainInBackward, TestScaledCore):
    """Each run of the operation makes a seed, also the one that recomputes it for its gradient."""


@wrong("NVIDIA/apex#816", killed_by="gradient.same_noise", diagnosis=_DISAGREES)
class BackwardMultipliesByTheRate(Core):
    """The backward pass multiplies by the rate; it should divide by keep_prob."""

    def backward(self, dy: Array, y: Array, mask: Mask, rate: float) -> Array:
        return np.asarray(np.where(mask, dy * dy.dtype.type(rate), dy.dtype.type(0)))


@wrong(
    "NVIDIA/apex#816",
    killed_by="gradient.same_noise",
    diagnosis=_DISAGREES,
    naive=True,
)
class BackwardDividesByTheRate(Core):
    """The backward pass divides by the rate; at rate 0.5 that is the same number."""

    def backward(self, dy: Array, y: Array, mask: Mask, rate: float) -> Array:
        scaled = dy * dy.dtype.type(1 / rate if rate else 1)
        return np.asarray(np.where(mask, scaled, dy.dtype.type(0)))


@wrong("kakaobrain/trident#89", killed_by="gradient.same_noise", diagnosis=_DISAGREES)
class UnscaledGradient(Core):
    """The backward pass applies the mask and forgets the scale."""

    def backward(self, dy: Array, y: Array, mask: Mask, rate: float) -> Array:
        return np.asarray(np.where(mask, dy, dy.dtype.type(0)))


@wrong(
    "foundation-model-stack/fms-acceleration#97",
    "foundation-model-stack/fms-acceleration#102",
    "ddbourgin/numpy-ml#94",
    killed_by="gradient.dropped_is_zero",
    diagnosis=_UNMASKED,
)
class UnmaskedGradient(Core):
    """The backward pass applies the scale and forgets the mask."""

    def backward(self, dy: Array, y: Array, mask: Mask, rate: float) -> Array:
        return self.apply(dy, np.ones_like(mask), rate)


@wrong(
    "pytorch/pytorch#188015",
    killed_by="gradient.same_noise",
    diagnosis=_DISAGREES,
)
class BackwardCountsToFewer(Core):
    """The counter of the backward pass wraps after 4096 units, that of the forward pass later."""

    def backward(self, dy: Array, y: Array, mask: Mask, rate: float) -> Array:
        return self.apply(dy, np.resize(mask.reshape(-1)[:4096], mask.shape), rate)


@wrong(
    "PaddlePaddle/Paddle#26837",
    killed_by="structure.shapes",
    diagnosis="wrong for some shapes",
)
class BackwardBreaksInOneDimension(Core):
    """The backward pass forgets the mask where the input has one dimension."""

    def backward(self, dy: Array, y: Array, mask: Mask, rate: float) -> Array:
        return self.apply(dy, mask | (dy.ndim == 1), rate)


@wrong(
    "kaldi-asr/kaldi#3890",
    "ROCm/tensorflow-upstream#1012",
    killed_by="gradient.at_zero",
    diagnosis="the backward pass infers the mask from values",
    naive=True,
)
class MaskGuessedFromTheOutput(Core):
    """The backward pass takes an output of zero for a dropped unit, even if its input is zero."""

    def backward(self, dy: Array, y: Array, mask: Mask, rate: float) -> Array:
        return self.apply(dy, y != 0, rate)


@wrong(killed_by="gradient.at_zero", diagnosis="the mask depends on the input")
class ZerosAreDroppedMoreOften(Core):
    """A unit whose input is zero draws twice; its output does not show it, its gradient does."""

    def vjp(self, x: Array, dy: Array, rate: float) -> tuple[Array, Array]:
        mask = self.mask(x.shape, rate) & ((x != 0) | self.mask(x.shape, rate))
        y = self.apply(x, mask, rate)
        return y, self.backward(dy, y, mask, rate)


@wrong("chelsea0x3b/dfdx#110", killed_by="gradient.same_noise", diagnosis=_DISAGREES)
class MaskGuessedFromTheSign(Core):
    """The backward pass takes an output that is not positive for a dropped unit."""

    def backward(self, dy: Array, y: Array, mask: Mask, rate: float) -> Array:
        return self.apply(dy, y > 0, rate)


@wrong(killed_by="gradient.linear", diagnosis="the gradient is not linear in dy")
class ClippedGradient(Core):
    """The backward pass clips its gradient, so a large dy does not give a large dx."""

    def backward(self, dy: Array, y: Array, mask: Mask, rate: float) -> Array:
        return np.asarray(np.clip(super().backward(dy, y, mask, rate), -1024, 1024))


@wrong(
    "FluxML/Zygote.jl#583",
    killed_by="gradient.forward",
    diagnosis=_DISAGREES,
)
class DifferentiatedPassForgetsTheScale(Core):
    """The output of a differentiated pass is masked and not scaled; its gradient is right."""

    def vjp(self, x: Array, dy: Array, rate: float) -> tuple[Array, Array]:
        y, dx = super().vjp(x, dy, rate)
        return np.asarray(np.where(y == 0, y, x)), dx


@wrong(
    "FluxML/Zygote.jl#583",
    killed_by="gradient.forward",
    diagnosis="a differentiated pass is not the training pass",
)
class AnotherPassIsDifferentiated(Core):
    """Under differentiation a copy of the training pass runs, which scales neither y nor dx."""

    def vjp(self, x: Array, dy: Array, rate: float) -> tuple[Array, Array]:
        mask = self.mask(x.shape, rate)
        return np.asarray(x * mask), np.asarray(dy * mask)


@wrong(
    "csarofeen/pytorch#1275",
    killed_by="gradient.evaluation",
    diagnosis="the mode does not reach the backward pass",
)
class BackwardIgnoresTheMode(Core):
    """The backward pass of an evaluation pass is that of a training pass."""

    def evaluate_vjp(self, x: Array, dy: Array, rate: float) -> tuple[Array, Array]:
        return self.evaluate(x, rate), self.vjp(x, dy, rate)[1]


@wrong(
    "torch/nn#614",
    "PaddlePaddle/Paddle#34293",
    killed_by="gradient.evaluation",
    diagnosis="the evaluation pass cannot be differentiated",
)
class NoGradientInEvaluation(Core):
    """The backward pass of an evaluation pass raises: it is only defined in training."""

    def evaluate_vjp(self, x: Array, dy: Array, rate: float) -> tuple[Array, Array]:
        raise RuntimeError("the backward pass is only defined in training")


@wrong(
    killed_by="gradient.dy_unchanged",
    diagnosis="the backward pass writes into the gradient that it is handed",
)
class WritesIntoDy(Core):
    """The backward pass works in place, on an array that belongs to the caller."""

    def backward(self, dy: Array, y: Array, mask: Mask, rate: float) -> Array:
        dy[...] = super().backward(dy, y, mask, rate)
        return dy


_OTHERWISE = "a differentiated pass draws otherwise than a training pass"


@wrong("elixir-nx/axon#423", killed_by="gradient.noise", diagnosis=_OTHERWISE)
class DifferentiatedPassHasOneMask(Core):
    """The key of a differentiated pass is baked in: it is compiled once, with its mask."""

    def vjp(self, x: Array, dy: Array, rate: float) -> tuple[Array, Array]:
        drawn = np.random.default_rng(7).random(x.shape)
        mask = np.full(x.shape, rate == 0) if rate in (0, 1) else drawn >= rate
        y = self.apply(x, mask, rate)
        return y, self.backward(dy, y, mask, rate)


@wrong("FluxML/Flux.jl#1084", killed_by="gradient.noise", diagnosis=_OTHERWISE)
class DifferentiatedPassDropsNothing(Core):
    """The scale is right, but a differentiated pass keeps every unit."""

    def vjp(self, x: Array, dy: Array, rate: float) -> tuple[Array, Array]:
        mask = np.full(x.shape, rate < 1)
        y = self.apply(x, mask, rate)
        return y, self.backward(dy, y, mask, rate)


@wrong(
    killed_by="gradient.ends",
    diagnosis="the gradient is wrong where nothing, or everything, is dropped",
)
class BackwardAtRateZeroIsStale(Core):
    """At rate 0 the forward pass returns early, and the backward pass uses the mask before."""

    def __init__(self) -> None:
        super().__init__()
        self._last: Mask | None = None

    def vjp(self, x: Array, dy: Array, rate: float) -> tuple[Array, Array]:
        if rate == 0:
            y = self.apply(x, np.ones(x.shape, np.bool_), rate)
            same = self._last is not None and self._last.shape == x.shape
            return y, dy * self._last if same else self.backward(dy, y, y != 0, rate)
        self._last = self.mask(x.shape, rate)
        y = self.apply(x, self._last, rate)
        return y, self.backward(dy, y, self._last, rate)
