"""Every dropout inside a model of PyTorch, judged where it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from dropout_stats.adapters.torch import LAWS, to_array, to_tensor
from dropout_stats.conventions import Conventions
from dropout_stats.errors import HarnessError
from dropout_stats.laws.reading import Array
from dropout_stats.target import Target


@dataclass(frozen=True)
class Inside:
    """What a model holds.

    Args:
        targets: a target for each dropout that the model calls and whose rate lies inside (0, 1),
            by the name of its module.
        idle: those that the model calls, and whose rate is 0 or 1.
        unused: those that it holds and does not call.
        shifted: batch normalisations that come after one that drops: their running variance is that
            of training, which is another one in evaluation (`dropout_stats.batchnorm`).

    """

    targets: dict[str, Target]
    idle: tuple[str, ...]
    unused: tuple[str, ...]
    shifted: tuple[str, ...]


class _Reached(BaseException):
    """The layer in question has been called: the rest of the model is not needed."""


def inside(
    model: torch.nn.Module, *inputs: Any, seed: Callable[[int], object] | None = None
) -> Inside:
    """Make a target of each dropout of a model.

    The model is called as it is used, in training mode for a training pass and in evaluation mode
    for an evaluation pass, and the input of one dropout is replaced on the way. So it is judged
    with the mode, the rate, the shape and the type that it has there. A layer that is called
    several times is judged at its first call. Dropouts that are functions are not seen.

    Args:
        model: the model; afterwards it is in the mode in which it was.
        *inputs: what it is called with.
        seed: `seed(n)`: resets the randomness; by default `torch.manual_seed`.

    Raises:
        HarnessError: the model holds no dropout.

    """
    layers = {name: layer for name, layer in model.named_modules() if type(layer).__name__ in LAWS}
    if not layers:
        raise HarnessError(
            f"{type(model).__name__} holds no dropout layer; one that is a function is judged by "
            "itself, e.g. torch.nn.functional:dropout"
        )
    norms = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)
    }
    given = _first_inputs(model, inputs, {**layers, **norms})
    order, dropping = list(given), [name for name in given if name in layers and layers[name].p]
    called = {name: layer for name, layer in layers.items() if name in given}
    return Inside(
        targets={
            name: _Place(model, inputs, layer, given[name]).target(name, seed or torch.manual_seed)
            for name, layer in called.items()
            if 0 < layer.p < 1
        },
        idle=tuple(name for name, layer in called.items() if layer.p in (0, 1)),
        unused=tuple(name for name in layers if name not in called),
        shifted=tuple(
            name for name in order if name in norms and name in order[order.index(dropping[0]) :]
        )
        if dropping
        else (),
    )


def _first_inputs(
    model: torch.nn.Module, inputs: tuple[Any, ...], layers: dict[str, torch.nn.Module]
) -> dict[str, torch.Tensor]:
    """What each layer is called with first, in the order of these calls."""
    given: dict[str, torch.Tensor] = {}

    def note(name: str) -> Callable[..., None]:
        def hook(_: Any, args: tuple[Any, ...]) -> None:
            given.setdefault(name, args[0].detach())

        return hook

    hooks = [layer.register_forward_pre_hook(note(name)) for name, layer in layers.items()]
    try:
        with _mode(model, training=True), torch.no_grad():
            model(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return given


@dataclass(frozen=True)
class _Place:
    """A layer where a model calls it."""

    model: torch.nn.Module
    inputs: tuple[Any, ...]
    layer: torch.nn.Module
    given: torch.Tensor

    def train(self, x: Array, rate: float) -> Any:  # noqa: ARG002 - it is that of the layer
        with torch.no_grad():
            return to_array(self._passed(self._tensor(x), training=True))

    def evaluate(self, x: Array, rate: float) -> Any:  # noqa: ARG002 - as above
        with torch.no_grad():
            return to_array(self._passed(self._tensor(x), training=False))

    def vjp(self, x: Array, dy: Array, rate: float) -> Any:  # noqa: ARG002 - as above
        leaf = self._tensor(x).clone().requires_grad_()
        y = self._passed(leaf * 1, training=True)
        y.backward(self._tensor(dy))
        return to_array(y), to_array(leaf.grad)

    def target(self, name: str, seed: Callable[[int], object]) -> Target:
        return Target(
            train=self.train,
            evaluate=self.evaluate,
            vjp=self.vjp,
            seed=seed,
            law=LAWS[type(self.layer).__name__],
            conventions=Conventions(
                dtypes=(str(self.given.dtype).removeprefix("torch."),),
                rates=(float(self.layer.p),),
                shapes=(tuple(self.given.shape),),
            ),
            name=f"{type(self.model).__name__}.{name}",
        )

    def _tensor(self, x: Array) -> torch.Tensor:
        return to_tensor(x, self.given.device)

    def _passed(self, x: torch.Tensor, *, training: bool) -> torch.Tensor:
        """What the layer makes of this input in a pass of the model."""
        found: list[torch.Tensor] = []

        def reached(_: Any, __: Any, output: torch.Tensor) -> None:
            found.append(output)
            raise _Reached

        hooks = [
            self.layer.register_forward_pre_hook(lambda _, args: (x, *args[1:])),
            self.layer.register_forward_hook(reached),
        ]
        try:
            with _mode(self.model, training=training):
                self.model(*self.inputs)
        except _Reached:
            return found[0]
        finally:
            for hook in hooks:
                hook.remove()
        raise RuntimeError("the model did not call the layer in this pass")


@contextmanager
def _mode(model: torch.nn.Module, *, training: bool) -> Iterator[None]:
    """Put the model into a mode, as its users do; then modes, and what it has learnt, back."""
    before = {module: module.training for module in model.modules()}
    learnt = [(buffer, buffer.clone()) for buffer in model.buffers()]
    try:
        model.train(training)
        yield
    finally:
        for module, mode in before.items():
            module.training = mode
        for buffer, value in learnt:
            if not torch.equal(buffer, value):  # what a backward pass needs must not be touched
                buffer.copy_(value)
