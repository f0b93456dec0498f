"""Layers of a network as they are declared, and a network that fits together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dropout_stats.errors import UsageError
from dropout_stats.gap.activations import Activation, activation_of
from dropout_stats.gap.rounding import Floats
from dropout_stats.gap.unit import finite, strategy_of
from dropout_stats.values import listed, number, require, wrong


@dataclass(frozen=True, eq=False)
class Dense:
    """f(weights @ dropped inputs + bias): a dense layer with a dropout on its inputs.

    Args:
        weights: shape (units, inputs); what is here when the layer is declared is what counts.
        bias: shape (units,), or one number for all; None for 0. It is never dropped.
        f: what `ds.gap.neuron` takes: the name of a function or a callable.
        rate: the drop rate of the inputs of this layer, in [0, 1].

    Raises:
        UsageError: an argument makes no sense.

    """

    weights: ArrayLike
    bias: ArrayLike | None = None
    f: str | Callable[[Any], Any] = "identity"
    rate: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what makes no sense where it is declared."""
        rate = number("rate", self.rate)
        require(0 <= rate <= 1, "rate", self.rate, "in [0, 1]")
        activation_of(self.f)
        if not self.matrix.size:
            raise UsageError(f"weights must not be empty, got shape {self.matrix.shape}")
        if self.shift.shape != self.matrix.shape[:1]:
            raise UsageError(
                f"bias must be one number for each of the {len(self.matrix)} units, got shape "
                f"{self.shift.shape}"
            )

    @cached_property
    def matrix(self) -> Floats:
        """The weights as doubles."""
        return matrix_of("weights", self.weights, "(units, inputs)")

    @cached_property
    def shift(self) -> Floats:
        """The bias as doubles, one for each unit."""
        bias = finite("bias", 0.0 if self.bias is None else self.bias)
        return np.full(len(self.matrix), float(bias)) if bias.ndim == 0 else bias

    @cached_property
    def activation(self) -> Activation:
        """What is known of f."""
        return activation_of(self.f)

    @property
    def linear(self) -> bool:
        """Whether means pass through this layer."""
        return self.activation.name == "identity" and self.activation.known

    @property
    def noisy(self) -> bool:
        """Whether anything is random in its training pass; at rate 1 nothing is."""
        return 0 < self.rate < 1


@dataclass(frozen=True, eq=False)
class Network:
    """Layers that fit together, from the first to the last, and how their dropouts are scaled."""

    layers: tuple[Dense, ...]
    strategy: str

    @cached_property
    def first_noise(self) -> int:
        """The first layer whose inputs are random; as many as there are layers if none is."""
        return next((at for at, layer in enumerate(self.layers) if layer.noisy), len(self.layers))

    @cached_property
    def readout(self) -> int:
        """The first of the linear layers at the end, through which means pass."""
        bent = [at for at, layer in enumerate(self.layers) if not layer.linear]
        return bent[-1] + 1 if bent else 0

    @property
    def outputs(self) -> int:
        """How many numbers it returns."""
        return len(self.layers[-1].matrix)

    @property
    def bits(self) -> int:
        """How many draws decide what the readout is applied to."""
        return sum(layer.matrix.shape[1] for layer in self.layers[: self.readout] if layer.noisy)


def network_of(layers: object, inputs: object, strategy: object) -> tuple[Network, Floats]:
    """The network and its inputs, or a UsageError that says what does not fit."""
    scaled = strategy_of(strategy)
    given = listed("layers", layers, _dense, "a list of ds.gap.Dense")
    if not given:
        raise wrong("layers", layers, "at least one ds.gap.Dense")
    rows = matrix_of("inputs", inputs, "(batch, inputs)")
    width, source = rows.shape[1], "the inputs have"
    for number_, layer in enumerate(given, start=1):
        if layer.matrix.shape[1] != width:
            raise UsageError(
                f"layer {number_} of {len(given)} has weights of shape {layer.matrix.shape} and "
                f"takes {layer.matrix.shape[1]} inputs, but {source} {width}; weights are "
                f"(units, inputs)"
            )
        width, source = layer.matrix.shape[0], f"layer {number_} returns"
    return Network(given, scaled), rows


def _dense(name: str, value: object) -> Dense:
    require(isinstance(value, Dense), name, value, "a ds.gap.Dense")
    assert isinstance(value, Dense)  # noqa: S101 - for the types
    return value


def matrix_of(name: str, values: object, shape: str) -> Floats:
    """Finite doubles of two dimensions."""
    matrix = finite(name, values)
    if matrix.ndim != 2:
        raise UsageError(f"{name} must have the shape {shape}, got shape {matrix.shape}")
    return matrix
