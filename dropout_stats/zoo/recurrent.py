"""Dropout between two recurrent layers, read out of what the upper one returns, right and wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from dropout_stats import readouts
from dropout_stats.conventions import Conventions
from dropout_stats.laws.reading import Array
from dropout_stats.target import Target
from dropout_stats.zoo.core import Core, Mask, promising
from dropout_stats.zoo.faults import (
    DrawnAgainInBackward,
    DrawnInEvaluation,
    SharedOverTheBatch,
)
from dropout_stats.zoo.rate import AppliedTwice
from dropout_stats.zoo.scale import ScaledByTheRate
from dropout_stats.zoo.specimen import correct, wrong

_DISAGREES = "the backward pass disagrees with its forward pass"


class Layer(NamedTuple):
    """A recurrent layer: state = max(0, input @ weights + state before @ recurrent + bias).

    Inputs and states have shape (batch, steps, features), and each layer as many features as the
    other.
    """

    weights: Array
    recurrent: Array
    bias: Array

    def states(self, inputs: Array) -> Array:
        """The state after each step."""
        state, states = np.zeros(inputs.shape[::2], inputs.dtype), np.empty_like(inputs)
        for step, given in enumerate(inputs.swapaxes(0, 1)):
            state = np.maximum(given @ self.weights + state @ self.recurrent + self.bias, 0)
            states[:, step] = state
        return states

    def pull(self, states: Array, dstates: Array) -> Array:
        """The gradient of the inputs, of that of the states."""
        later, dinputs = np.zeros(states.shape[::2], states.dtype), np.empty_like(states)
        for step in reversed(range(states.shape[1])):
            dsum = (dstates[:, step] + later) * (states[:, step] > 0)
            dinputs[:, step] = dsum @ self.weights.T
            later = dsum @ self.recurrent.T
        return dinputs


def _stacked(weights: Sequence[Array], biases: Sequence[Array]) -> list[Layer]:
    pairs = zip(weights, biases, strict=True)
    return [Layer(weight, np.zeros_like(weight), bias) for weight, bias in pairs]


@correct
class RecurrentCore(Core):
    """Two recurrent layers with dropout between them, at each step anew."""

    conventions: ClassVar[Conventions] = promising(
        dropped_nonfinite="unspecified", evaluation_graph="unspecified"
    )

    def run(
        self, inputs: Array, weights: Sequence[Array], biases: Sequence[Array], rate: float
    ) -> Array:
        """The states of the upper layer in one training pass."""
        lower, upper = _stacked(weights, biases)
        return upper.states(self.train(lower.states(inputs), rate))

    def run_in_evaluation(
        self, inputs: Array, weights: Sequence[Array], biases: Sequence[Array], rate: float
    ) -> Array:
        """The same in one evaluation pass."""
        lower, upper = _stacked(weights, biases)
        return upper.states(self.evaluate(lower.states(inputs), rate))

    def run_vjp(
        self,
        inputs: Array,
        weights: Sequence[Array],
        biases: Sequence[Array],
        dstates: Array,
        rate: float,
    ) -> tuple[Array, Array]:
        """One training pass, and the gradient of the inputs."""
        self.require(rate)
        lower, upper = _stacked(weights, biases)
        below = lower.states(inputs)
        mask = self.mask(below.shape, rate)
        dropped = self.apply(below, mask, rate)
        states = upper.states(dropped)
        back = self.backward(upper.pull(states, dstates), dropped, mask, rate)
        return states, lower.pull(below, back)

    def target(self, **changes: Any) -> Target:
        """Make a target of what is between the layers."""
        return readouts.recurrent(
            self.run,
            self.run_in_evaluation,
            layers=2,
            vjp=self.run_vjp,
            seed=self.seed,
            law=self.law,
            conventions=self.conventions,
            name=type(self).__name__,
            **changes,
        )


@wrong("mozilla/DeepSpeech#1201", killed_by="rate.marginal", diagnosis="applied twice")
class LayersAreDroppedTwice(AppliedTwice, RecurrentCore):
    """What the lower layer returns is dropped, and the input of the upper one again."""


@wrong(
    "kaldi-asr/kaldi#2815",
    killed_by="support.kept_value",
    diagnosis="keep probability and drop rate swapped in the scale",
)
class SequencesAreDividedByTheRate(ScaledByTheRate, RecurrentCore):
    """Sequences between layers are divided by the rate where they are kept."""


@wrong(
    "clab/dynet#812",
    killed_by="dependence.axes",
    diagnosis="units do not draw independently",
)
class SentencesShareTheirMask(SharedOverTheBatch, RecurrentCore):
    """All sentences of a minibatch have one mask between the layers."""


@wrong("microsoft/onnxruntime#19715", killed_by="gradient.same_noise", diagnosis=_DISAGREES)
class StepsAreDrawnAgainInBackward(DrawnAgainInBackward, RecurrentCore):
    """What is between the layers is recomputed in the backward pass, with another seed."""


@wrong(
    "pytorch/pytorch#190056",
    killed_by="gradient.same_noise",
    diagnosis="the backward pass does not apply the mask",
)
class BackwardGoesPastTheDropout(RecurrentCore):
    """The states are saved before they are dropped, and the backward pass drops nothing."""

    def backward(self, dy: Array, y: Array, mask: Mask, rate: float) -> Array:
        return dy.copy()


@wrong("srvk/eesen#41", killed_by="inference.deterministic", diagnosis="dropping in evaluation")
class LayersAreDroppedInEvaluation(DrawnInEvaluation, RecurrentCore):
    """Dropout between the layers is still on in validation and in tests."""
