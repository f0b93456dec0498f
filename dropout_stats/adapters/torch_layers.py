"""Dropout inside PyTorch's attention and recurrent layers, read out.

Each layer is called with inputs for which what comes out is its noise, and nothing else: one
multiplier for each unit. The gradient is read in the same way, from the backward pass of the layer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
import torch

from dropout_stats.conventions import Conventions
from dropout_stats.errors import HarnessError
from dropout_stats.laws.reading import Array

# Whether products of float32 may be rounded to fewer bits; before PyTorch 2.9 there was one switch
# for each library.
_SWITCHES = (
    [
        (library, "fp32_precision", "ieee")
        for library in (
            torch.backends.cuda.matmul,
            torch.backends.cudnn.rnn,
            torch.backends.mkldnn.matmul,
            torch.backends.mkldnn.rnn,
        )
    ]
    if hasattr(torch.backends.cudnn, "rnn")
    else [
        (library, "allow_tf32", False)
        for library in (torch.backends.cuda.matmul, torch.backends.cudnn)
    ]
)
# How small |z| must be for tanh z to be z in each type.
_LINEAR = {torch.float32: 2.0**-13, torch.float64: 2.0**-27}
_OPEN, _SHUT = 1000.0, -1000.0  # of a gate: its sigmoid is 1 or 0


class Call(NamedTuple):
    """What a layer is asked for: the noise of so many units.

    Args:
        shape: of the units.
        rate: the drop rate.
        training: the mode.
        dtype: of everything.
        device: where it lives.

    """

    shape: tuple[int, ...]
    rate: float
    training: bool
    dtype: torch.dtype
    device: str


class Noise(NamedTuple):
    """The multipliers of one pass, and a function that gives those of its backward pass."""

    forward: torch.Tensor
    backward: Callable[[], torch.Tensor]


Read = Callable[[Call], Noise]


class ReadOut(NamedTuple):
    """A layer whose noise is read.

    Args:
        read: gives the noise of one pass.
        ndim: the dimensions of its units.

    """

    read: Read
    ndim: int

    def passes(self, device: str) -> dict[str, Callable[..., Any]]:
        """The passes of a target."""

        def call(x: Array, rate: float, *, training: bool) -> Noise:
            dtype = getattr(torch, x.dtype.name)
            if dtype not in _LINEAR or x.ndim != self.ndim:
                raise HarnessError(
                    f"the noise of this layer is read in float32 or float64, of {self.ndim} "
                    f"dimensions; asked for {x.dtype.name} of shape {x.shape}"
                )
            return self.read(Call(x.shape, rate, training, dtype, device))

        @_exactly()
        def train(x: Array, rate: float, training: bool = True) -> Array:
            return np.asarray(x * _array(call(x, rate, training=training).forward))

        @_exactly()
        def vjp(x: Array, dy: Array, rate: float) -> tuple[Array, Array]:
            noise = call(x, rate, training=True)
            return x * _array(noise.forward), dy * _array(noise.backward())

        return {"train": train, "evaluate": partial(train, training=False), "vjp": vjp}

    def over(self, conventions: Conventions) -> Conventions:
        """Those of PyTorch's own dropouts, of a layer that does not only drop."""
        # Weights are multiples of one over the number of keys, which half precision rounds.
        return Conventions(
            dtypes=("float32", "float64"),
            ndims=(self.ndim, self.ndim),
            rate_argument=conventions.rate_argument,
            randomness=conventions.randomness,
        )


@contextmanager
def _exactly() -> Iterator[None]:
    """Products in full precision: multipliers of fewer bits would look wrong."""
    held = [getattr(library, name) for library, name, _ in _SWITCHES]
    for library, name, full in _SWITCHES:
        setattr(library, name, full)
    try:
        yield
    finally:
        for (library, name, _), value in zip(_SWITCHES, held, strict=True):
            setattr(library, name, value)


def _array(noise: torch.Tensor) -> Array:
    return np.asarray(noise.detach().cpu().numpy())


def read_out_of(target: Any) -> ReadOut | None:
    """How the noise of a layer or function of PyTorch is read; None for everything else."""
    return next((read for known, read in _KNOWN.items() if known is target), None)


def _function(call: Call) -> Noise:
    """Zeros for queries and keys make all weights equal; the values are the unit matrix."""
    *lead, queries, keys = call.shape
    width = max(queries, keys)
    value = _units(call, (*lead, keys, width)).requires_grad_()
    query = _zeros(call, (*lead, queries, width))
    rate = call.rate if call.training else 0.0
    attend = torch.nn.functional.scaled_dot_product_attention
    weights = attend(query, torch.zeros_like(value), value, dropout_p=rate)

    def backward() -> torch.Tensor:
        (found,) = torch.autograd.grad(weights, value, _units(call, tuple(weights.shape)))
        return found[..., :queries].transpose(-1, -2) * keys

    return Noise(weights[..., :keys] * keys, backward)


def _attention(call: Call) -> Noise:
    """The same through projections: unit matrices for values and outputs, zeros for the others."""
    batch, heads, queries, keys = call.shape
    width = max(queries, keys)
    layer = _attention_layer(heads, width, call.rate, call.dtype, call.device).train(call.training)

    def beside(units: torch.Tensor) -> torch.Tensor:
        return units.transpose(1, 2).flatten(2)  # the heads lie side by side in the features

    def apart(features: torch.Tensor) -> torch.Tensor:
        return features.unflatten(2, (heads, width)).transpose(1, 2)

    value = beside(_units(call, (batch, heads, keys, width))).requires_grad_()
    query = _zeros(call, (batch, queries, heads * width))
    output = layer(query, torch.zeros_like(value), value)[0]

    def backward() -> torch.Tensor:
        dy = beside(_units(call, (batch, heads, queries, width)))
        (found,) = torch.autograd.grad(output, value, dy)
        return apart(found)[..., :queries].transpose(-1, -2) * keys

    return Noise(apart(output)[..., :keys] * keys, backward)


@lru_cache(maxsize=64)
def _attention_layer(
    heads: int, width: int, rate: float, dtype: torch.dtype, device: str
) -> torch.nn.MultiheadAttention:
    features = heads * width
    layer = torch.nn.MultiheadAttention(
        features, heads, dropout=rate, batch_first=True, dtype=dtype, device=device
    )
    with torch.no_grad():
        layer.in_proj_weight.zero_()
        layer.in_proj_weight[2 * features :] = torch.eye(features)
        layer.out_proj.weight.copy_(torch.eye(features))
    return layer.requires_grad_(False)


def _recurrent(kind: Any, call: Call) -> Noise:
    """Two layers that hand small numbers on as they are: unit matrices, no memory, gates open.

    Each adds one to what it is given, in units of `small`: what comes out is 2 m + 1, and something
    else if it is not between the layers that the noise m is.
    """
    small = 2.0 ** math.floor(math.log2(_LINEAR[call.dtype] / 4 * (1 - call.rate or 1)))
    network = _recurrent_layers(kind, call._replace(shape=call.shape[-1:], training=True), small)
    given = torch.full(call.shape, small, dtype=call.dtype, device=call.device).requires_grad_()
    output = network.train(call.training)(given)[0]

    def backward() -> torch.Tensor:
        (found,) = torch.autograd.grad(output, given, torch.ones_like(output))
        return found

    return Noise((output / small - 1) / 2, backward)


@lru_cache(maxsize=64)
def _recurrent_layers(kind: Any, call: Call, small: float) -> torch.nn.RNNBase:
    (features,) = call.shape
    network: torch.nn.RNNBase = kind(
        features,
        features,
        num_layers=2,
        dropout=call.rate,
        batch_first=True,
        dtype=call.dtype,
        device=call.device,
    )
    gates = _GATES[kind]
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.zero_()
            for place, gate in enumerate(gates):
                part = parameter[place * features : (place + 1) * features]
                if gate is None and name.startswith("weight_ih"):
                    part.copy_(torch.eye(features))
                elif name.startswith("bias_ih"):
                    part.fill_(small if gate is None else gate)
    return network.requires_grad_(False)


# In the order of the rows of their weights; None is what is handed on.
_GATES: dict[type[torch.nn.RNNBase], tuple[float | None, ...]] = {
    torch.nn.RNN: (None,),
    torch.nn.GRU: (_SHUT, _SHUT, None),  # reset, update, new
    torch.nn.LSTM: (_OPEN, _SHUT, None, _OPEN),  # input, forget, cell, output
}
_KNOWN: dict[Any, ReadOut] = {
    torch.nn.functional.scaled_dot_product_attention: ReadOut(_function, 4),
    torch.nn.MultiheadAttention: ReadOut(_attention, 4),
    **{kind: ReadOut(partial(_recurrent, kind), 3) for kind in _GATES},
}


def _units(call: Call, shape: tuple[int, ...]) -> torch.Tensor:
    """A unit matrix for each of the leading entries."""
    return torch.eye(*shape[-2:], dtype=call.dtype, device=call.device).expand(shape).clone()


def _zeros(call: Call, shape: tuple[int, ...]) -> torch.Tensor:
    return torch.zeros(shape, dtype=call.dtype, device=call.device)
