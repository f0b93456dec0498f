"""Layers that drop what is inside them, right and wrong: attention, DropConnect, zoneout."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from dropout_stats import readouts
from dropout_stats.conventions import Conventions
from dropout_stats.laws import AnyLaw, TestScaled
from dropout_stats.laws.reading import Array
from dropout_stats.target import Target
from dropout_stats.zoo.core import Core, Mask, promising
from dropout_stats.zoo.faults import (
    DrawnAgainInBackward,
    DrawnInEvaluation,
    KeptAtTheRate,
    NotScaled,
    SharedOverTheBatch,
)
from dropout_stats.zoo.gradient import BackwardMultipliesByTheRate
from dropout_stats.zoo.specimen import correct, wrong

_APART = "units do not draw independently"
_DISAGREES = "the backward pass disagrees with its forward pass"
_NEVER = "never dropping"
_NOISY = "dropping in evaluation"
_UNSCALED = "no scaling"
_SWAPPED = "keep probability and drop rate swapped in the mask"
_READ_OUT = promising(dropped_nonfinite="unspecified", evaluation_graph="unspecified")


@correct
class AttentionCore(Core):
    """Attention that drops its weights, scaled."""

    conventions: ClassVar[Conventions] = _READ_OUT

    def weights(self, query: Array, key: Array) -> Array:
        """One row for each query, which adds up to 1."""
        scores = query @ key.swapaxes(-1, -2) / query.dtype.type(np.sqrt(key.shape[-1]))
        parts = np.exp(scores - scores.max(axis=-1, keepdims=True))
        return np.asarray(parts / parts.sum(axis=-1, keepdims=True))

    def attend(self, query: Array, key: Array, value: Array, rate: float) -> Array:
        """One training pass."""
        self.require(rate)
        mask = self.mask((*query.shape[:-1], key.shape[-2]), rate)
        return self.attend_with(query, key, value, mask, rate)

    def attend_with(self, query: Array, key: Array, value: Array, mask: Mask, rate: float) -> Array:
        """One training pass with the mask given."""
        return np.asarray(self.apply(self.weights(query, key), mask, rate) @ value)

    def attend_in_evaluation(self, query: Array, key: Array, value: Array, rate: float) -> Array:
        """One evaluation pass."""
        return np.asarray(self.evaluate(self.weights(query, key), rate) @ value)

    def attend_vjp(
        self, query: Array, key: Array, value: Array, dy: Array, rate: float
    ) -> tuple[Array, Array]:
        """One training pass, and the gradient of the values."""
        self.require(rate)
        weights = self.weights(query, key)
        mask = self.mask(weights.shape, rate)
        dropped = self.apply(weights, mask, rate)
        back = self.backward(weights, dropped, mask, rate)
        return dropped @ value, back.swapaxes(-1, -2) @ dy

    def target(self, **changes: Any) -> Target:
        """Make a target of its weights."""
        return readouts.attention(
            self.attend,
            self.attend_in_evaluation,
            vjp=self.attend_vjp,
            apply=self.attend_with,
            seed=self.seed,
            law=self.law,
            conventions=self.conventions,
            name=type(self).__name__,
            **changes,
        )


@wrong("huggingface/transformers#28059", killed_by="rate.marginal", diagnosis=_NEVER)
class AttentionDropoutIsNeverCalled(AttentionCore):
    """The rate is in the configuration, and the weights are not dropped."""

    def apply(self, x: Array, mask: Mask, rate: float) -> Array:
        return x.copy()


@wrong(killed_by="support.kept_value", diagnosis=_UNSCALED)
class AttentionIsNotScaled(NotScaled, AttentionCore):
    """Weights that are kept stay as they are, as does the evaluation pass."""


@wrong("pytorch/pytorch#188015", killed_by="dependence.axes", diagnosis=_APART)
class HeadsShareTheirMask(AttentionCore):
    """All heads of a batch entry drop the same weights."""

    def draw(self, shape: tuple[int, ...], rate: float) -> Mask:
        return np.broadcast_to(super().draw((shape[0], 1, *shape[2:]), rate), shape)


@wrong(
    "pytorch/pytorch#124464",
    "huggingface/pytorch-image-models#1978",
    "wenet-e2e/wenet#2699",
    killed_by="inference.deterministic",
    diagnosis=_NOISY,
)
class AttentionDropsInEvaluation(DrawnInEvaluation, AttentionCore):
    """The kernel drops whenever the rate is above 0, and evaluation hands it the rate."""


@wrong("pytorch/pytorch#187227", killed_by="gradient.same_noise", diagnosis=_DISAGREES)
class AttentionDrawsAgainInBackward(DrawnAgainInBackward, AttentionCore):
    """The backward pass draws a mask of its own in place of the one that it should draw again."""


@wrong("NVIDIA/apex#816", killed_by="gradient.same_noise", diagnosis=_DISAGREES)
class AttentionGradientIsTimesTheRate(BackwardMultipliesByTheRate, AttentionCore):
    """The mask is right in the backward pass, and its scale is the rate."""


@correct
class DropConnectCore(Core):
    """A linear layer that drops its weights, scaled."""

    conventions: ClassVar[Conventions] = _READ_OUT

    def connect(self, inputs: Array, weights: Array, rate: float) -> Array:
        """One training pass."""
        self.require(rate)
        return self.connect_with(inputs, weights, self.mask(weights.shape, rate), rate)

    def connect_with(self, inputs: Array, weights: Array, mask: Mask, rate: float) -> Array:
        """One training pass with the mask given."""
        return np.asarray(inputs @ self.apply(weights, mask, rate))

    def connect_in_evaluation(self, inputs: Array, weights: Array, rate: float) -> Array:
        """One evaluation pass."""
        return np.asarray(inputs @ self.evaluate(weights, rate))

    def connect_vjp(
        self, inputs: Array, weights: Array, dy: Array, rate: float
    ) -> tuple[Array, Array]:
        """One training pass, and the gradient of the weights."""
        self.require(rate)
        mask = self.mask(weights.shape, rate)
        dropped = self.apply(weights, mask, rate)
        return inputs @ dropped, self.backward(inputs.T @ dy, dropped, mask, rate)

    def target(self, **changes: Any) -> Target:
        """Make a target of its weights."""
        return readouts.dropconnect(
            self.connect,
            self.connect_in_evaluation,
            vjp=self.connect_vjp,
            apply=self.connect_with,
            seed=self.seed,
            law=self.law,
            conventions=self.conventions,
            name=type(self).__name__,
            **changes,
        )


@wrong(
    "teelinsan/KerasDropconnect#1", killed_by="support.kept_value", diagnosis="scaled in both modes"
)
class ConnectionsAreScaledInBothPasses(DropConnectCore):
    """Built on dropout that scales what is kept, while evaluation multiplies by keep_prob."""

    law: ClassVar[AnyLaw] = TestScaled()

    def scale(self, rate: float) -> float:
        return 1 / (1 - rate)


@wrong("deeplearning4j/nd4j#1373", killed_by="rate.marginal", diagnosis=_SWAPPED)
class ConnectionsAreKeptAtTheRate(KeptAtTheRate, DropConnectCore):
    """A uniform below the rate keeps a connection, where it drops a unit of the other layer."""


@wrong(killed_by="dependence.axes", diagnosis=_APART)
class NeuronsAreDropped(SharedOverTheBatch, DropConnectCore):
    """All connections to a neuron share a draw."""


@wrong("salesforce/awd-lstm-lm#72", killed_by="inference.deterministic", diagnosis=_NOISY)
class ConnectionsAreDroppedInEvaluation(DrawnInEvaluation, DropConnectCore):
    """Evaluation drops connections, too."""


@wrong("pytorch/pytorch#190758", killed_by="gradient.same_noise", diagnosis=_DISAGREES)
class ConnectionsAreDrawnAgainInBackward(DrawnAgainInBackward, DropConnectCore):
    """To save memory the dropped weights are made again in the backward pass, of another mask."""


@wrong(killed_by="gradient.same_noise", diagnosis="the backward pass does not apply the mask")
class GradientOfAllConnections(DropConnectCore):
    """The gradient of the weights is that of a layer that drops nothing."""

    def backward(self, dy: Array, y: Array, mask: Mask, rate: float) -> Array:
        return dy.copy()


@correct
class ZoneoutCore(Core):
    """Zoneout: a unit keeps its previous state where a new one would be dropped."""

    law: ClassVar[AnyLaw] = TestScaled()
    conventions: ClassVar[Conventions] = _READ_OUT

    def masks(self, shape: tuple[int, ...], rate: float) -> tuple[Mask, Mask]:
        """Which units get the new state, and which the previous one."""
        updated = self.mask(shape, rate)
        return updated, ~updated

    def step(self, new: Array, previous: Array, rate: float) -> Array:
        """One training pass."""
        self.require(rate)
        updated, held = self.masks(new.shape, rate)
        return np.asarray(new * updated + previous * held)

    def step_with(self, new: Array, previous: Array, mask: Mask, rate: float) -> Array:
        """One training pass with the mask given."""
        return np.asarray(np.where(mask, new, previous))

    def step_in_evaluation(self, new: Array, previous: Array, rate: float) -> Array:
        """The mean of the two states."""
        updated = new.dtype.type(self.factor(rate))
        return np.asarray(updated * new + (1 - updated) * previous)

    def step_vjp(
        self, new: Array, previous: Array, dy: Array, rate: float
    ) -> tuple[Array, Array, Array]:
        """One training pass, and the gradients of both states."""
        self.require(rate)
        updated, held = self.masks(new.shape, rate)
        return new * updated + previous * held, dy * updated, dy * held

    def target(self, **changes: Any) -> Target:
        """Make a target of its updates."""
        return readouts.zoneout(
            self.step,
            self.step_in_evaluation,
            vjp=self.step_vjp,
            apply=self.step_with,
            seed=self.seed,
            conventions=self.conventions,
            name=type(self).__name__,
            **changes,
        )


@wrong("rwth-i6/returnn#1313", killed_by="rate.marginal", diagnosis=_NEVER)
class OutputIsNotZoned(ZoneoutCore):
    """What comes out is the new state everywhere; only what is handed on is mixed."""

    def mask(self, shape: tuple[int, ...], rate: float) -> Mask:
        return np.ones(shape, np.bool_)


@wrong(
    "apache/mxnet#18669",
    killed_by="support.kept_value",
    diagnosis="kept values have no common factor",
)
class StatesHaveTheirOwnMasks(ZoneoutCore):
    """One mask chooses among the new states, and another among the previous ones."""

    def masks(self, shape: tuple[int, ...], rate: float) -> tuple[Mask, Mask]:
        return self.mask(shape, rate), ~self.mask(shape, rate)


@wrong(killed_by="rate.marginal", diagnosis=_SWAPPED)
class StatesAreUpdatedAtTheRate(KeptAtTheRate, ZoneoutCore):
    """A unit is updated with probability rate."""


@wrong("clab/dynet#812", killed_by="dependence.axes", diagnosis=_APART)
class SentencesShareTheirUpdates(SharedOverTheBatch, ZoneoutCore):
    """A mask is drawn once for a minibatch, and each sentence keeps the same units."""


@wrong(killed_by="inference.law", diagnosis=_UNSCALED)
class EvaluationUpdatesEverything(ZoneoutCore):
    """Evaluation takes the new state in place of the mean of both."""

    def step_in_evaluation(self, new: Array, previous: Array, rate: float) -> Array:
        return new.copy()


@wrong(killed_by="gradient.same_noise", diagnosis=_DISAGREES)
class UpdatesAreDrawnAgainInBackward(ZoneoutCore):
    """The backward pass draws a mask of its own."""

    def step_vjp(
        self, new: Array, previous: Array, dy: Array, rate: float
    ) -> tuple[Array, Array, Array]:
        _, dnew, dprevious = super().step_vjp(new, previous, dy, rate)
        return self.step(new, previous, rate), dnew, dprevious
