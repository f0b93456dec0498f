"""Every dropout inside a model of PyTorch, judged where it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch.nn.modules.dropout import _DropoutNd

from dropout_stats.adapters.looking import (
    PASSES,
    TRIES,
    Inside,
    after_a_dropout,
    first_pass,
    require_some,
    without_size,
)
from dropout_stats.adapters.repeats import drawn_by
from dropout_stats.adapters.torch import LAWS, NDIMS, operations, to_array, to_tensor
from dropout_stats.adapters.torch_enclosed import enclosed_in
from dropout_stats.adapters.torch_norms import shifts_of
from dropout_stats.adapters.torch_repeats import repeated
from dropout_stats.conventions import Conventions
from dropout_stats.laws import AnyLaw, Inverted
from dropout_stats.laws.reading import Array
from dropout_stats.target import Target


class _Reached(BaseException):
    """The layer in question has been called: the rest of the model is not needed."""


def inside(
    model: torch.nn.Module,
    *inputs: Any,
    seed: Callable[[int], object] | None = None,
    **named: Any,
) -> Inside:
    """Make a target of each dropout of a model.

    The model is called as it is used, in training mode for a training pass and in evaluation mode
    for an evaluation pass, and the input of one dropout is replaced on the way. So it is judged
    with the mode, the rate, the shape and the type that it has there. A layer that is called
    several times is judged at its first call. Dropouts that are functions are seen by what they
    leave in evaluation, where two passes of the model differ.

    Args:
        model: the model; afterwards it is in the mode in which it was.
        *inputs: what it is called with.
        seed: `seed(n)`: resets the randomness; by default `torch.manual_seed`.
        **named: more of what it is called with, by name.

    Raises:
        HarnessError: the model holds no dropout.

    """
    model_call, enclosed = _Call(model, inputs, named), enclosed_in(model)
    by_itself = tuple(one.of(name) for name, one in enclosed.items())
    repeat = partial(repeated, model_call.on, (inputs, named))
    layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, _DropoutNd)}
    rates = {name: float(layer.p) for name, layer in layers.items()}
    function = "torch.nn.functional:dropout"
    require_some(rates, model, function, lambda: (*by_itself, *drawn_by(repeat)))
    norms = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)
        and module.track_running_stats  # else it divides by the variance that it sees
    }
    given = _first_inputs(model_call, {**layers, **norms})
    called = {name: layer for name, layer in layers.items() if name in given}
    places = {
        name: _Place(model_call, layer, given[name])
        for name, layer in called.items()
        if 0 < layer.p < 1
    }
    dropping = {name: place.layer for name, place in places.items()}
    laws = {name: place.law for name, place in places.items()}
    with torch.random.fork_rng():
        shifts = shifts_of(model, model_call, dropping, laws, norms)
    with first_pass(model, "an evaluation"):
        repeats = repeat(training=False, passed_by=dropping.values())
    repeats.require_a_report(model, dropping)
    shifted = after_a_dropout(given, rates, norms)
    unsized = without_size(given, places, [norm for norm in shifted if norm not in shifts])

    def notes(name: str) -> tuple[str, ...]:
        sized = (one.of(norm) for norm, one in shifts.items() if one.dropout == name)
        return (*repeats.notes(model), *sized, *unsized.get(name, ()), *by_itself)

    return Inside(
        targets={
            name: replace(
                place.target(name, seed or torch.manual_seed),
                notes=notes(name),
                noise_beside=repeats.in_evaluation(model),
            )
            for name, place in places.items()
        },
        idle=tuple(name for name, layer in called.items() if layer.p in (0, 1)),
        unused=tuple(name for name in layers if name not in called),
        shifted=shifted,
        shifts=shifts,
        evaluation_differs=repeats.differ,
        enclosed=enclosed,
    )


@dataclass(frozen=True)
class _Call:
    """A model and what it is called with."""

    model: torch.nn.Module
    inputs: tuple[Any, ...]
    named: dict[str, Any]

    def __call__(self, *, training: bool) -> Any:
        return self.on((self.inputs, self.named), training=training)

    def on(self, given: tuple[tuple[Any, ...], dict[str, Any]], *, training: bool) -> Any:
        """The same with other inputs, which are (inputs, named)."""
        with _mode(self.model, training=training):
            return self.model(*given[0], **given[1])


def _first_inputs(call: _Call, layers: dict[str, torch.nn.Module]) -> dict[str, torch.Tensor]:
    """What each layer is called with first, in the order of these calls; in a few passes.

    A model may leave a part out by chance.
    """
    given: dict[str, torch.Tensor] = {}

    def note(name: str) -> Callable[..., None]:
        def hook(_: Any, args: tuple[Any, ...], named: dict[str, Any]) -> None:
            value = next(iter((*args, *named.values())), None)
            if isinstance(value, torch.Tensor) and not _is_frozen(layers[name]):
                given.setdefault(name, value.detach())

        return hook

    hooks = [
        layer.register_forward_pre_hook(note(name), with_kwargs=True)
        for name, layer in layers.items()
    ]
    try:
        with torch.random.fork_rng(), torch.no_grad(), first_pass(call.model, "a training"):
            for _ in range(PASSES):
                call(training=True)
    finally:
        for hook in hooks:
            hook.remove()
    return given


def _is_frozen(layer: torch.nn.Module) -> bool:
    """Whether it is a normalisation that stays in evaluation: it collects nothing in training."""
    return isinstance(layer, torch.nn.modules.batchnorm._BatchNorm) and not layer.training


@dataclass(frozen=True)
class _Place:
    """A layer where a model calls it."""

    call: _Call
    layer: _DropoutNd
    given: torch.Tensor

    def train(self, x: Array, rate: float) -> Any:  # noqa: ARG002 - it is that of the layer
        with torch.no_grad(), self._replaced(self._tensor(x)) as passed:
            return to_array(passed(training=True))

    def evaluate(self, x: Array, rate: float) -> Any:  # noqa: ARG002 - as above
        with torch.no_grad(), self._replaced(self._tensor(x)) as passed:
            return to_array(passed(training=False))

    def vjp(self, x: Array, dy: Array, rate: float) -> Any:  # noqa: ARG002 - as above
        leaf = self._tensor(x).requires_grad_()
        with self._replaced(leaf * 1) as passed:  # checkpointed parts are run again
            y = passed(training=True)
            y.backward(self._tensor(dy))
        return to_array(y), to_array(leaf.grad)

    def operations(self, x: Array, rate: float) -> list[str]:  # noqa: ARG002 - as above
        """Those that the layer leaves in the graph of an evaluation pass of the model.

        Only the layer is traced, in the mode in which it is called there: what the model does
        before may depend on values, which a trace has not.
        """
        found: list[str] = []

        def traced(layer: Any, args: tuple[Any, ...], named: dict[str, Any]) -> None:
            def call(v: torch.Tensor) -> Any:
                others, by_name = _with_first(v, args, named)
                return layer.forward(*others, **by_name)

            found.extend(operations(call, self._tensor(x)))
            raise _Reached

        hook = self.layer.register_forward_pre_hook(traced, with_kwargs=True)
        try:
            with torch.no_grad(), suppress(_Reached):
                self.call(training=False)
        finally:
            hook.remove()
        return found

    def target(self, name: str, seed: Callable[[int], object]) -> Target:
        return Target(
            train=self.train,
            evaluate=self.evaluate,
            vjp=self.vjp if self._is_differentiated() else None,
            operations=self.operations,
            seed=seed,
            law=self.law,
            conventions=Conventions(
                dtypes=(str(self.given.dtype).removeprefix("torch."),),
                rates=(float(self.layer.p),),
                shapes=(tuple(self.given.shape),),
                # A missing batch is added, and taken off, in evaluation, too.
                evaluation_graph="empty" if self.law in LAWS.values() else "unspecified",
            ),
            name=f"{type(self.call.model).__name__}.{name}",
        )

    @property
    def law(self) -> AnyLaw | None:
        """That of a layer of PyTorch; a batch may be missing. A call of one's own has none."""
        base = next(base for base in type(self.layer).__mro__ if base.__name__ in LAWS)
        if type(self.layer).forward is not base.forward:  # type: ignore[attr-defined]
            return None
        name = base.__name__
        if self.given.ndim == NDIMS.get(name, 0) - 1:
            return Inverted(unit=tuple(range(1, self.given.ndim)))
        return LAWS[name]

    def _is_differentiated(self) -> bool:
        """Whether a gradient comes back to the layer: a part may be frozen, or run without one."""
        leaf = self.given.clone().requires_grad_()
        with torch.random.fork_rng(), self._replaced(leaf * 1) as passed:
            return bool(passed(training=True).requires_grad)

    def _tensor(self, x: Array) -> torch.Tensor:
        """A copy: a layer that works in place writes into what a model made for it."""
        return to_tensor(x, self.given.device).clone()

    @contextmanager
    def _replaced(self, x: torch.Tensor) -> Iterator[Callable[..., torch.Tensor]]:
        """Give a function that makes a pass of the model, in which the layer gets this input."""
        found: list[torch.Tensor] = []

        def swapped(_: Any, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, Any]:
            return _with_first(x, args, named)

        def reached(_: Any, __: Any, output: torch.Tensor) -> None:
            found.append(output)
            if len(found) == 1:
                raise _Reached

        def passed(*, training: bool) -> torch.Tensor:
            for _ in range(TRIES if training else 1):
                try:
                    self.call(training=training)
                except _Reached:
                    return found[0]
            if not training:
                return x  # a dropout that is not called in evaluation changes nothing there
            raise RuntimeError(f"the model did not call the layer in {TRIES} passes")

        hooks = [
            self.layer.register_forward_pre_hook(swapped, with_kwargs=True),
            self.layer.register_forward_hook(reached),
        ]
        try:
            yield passed
        finally:
            for hook in hooks:
                hook.remove()


def _with_first(x: torch.Tensor, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, Any]:
    """The arguments of a call, of which the first is replaced."""
    if args:
        return (x, *args[1:]), named
    return args, {**named, next(iter(named)): x}


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
