"""Models of Flax Linen: modules that are made on the way, and applied to their variables."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
from flax import linen
from flax.core import DenyList

from dropout_stats.adapters.jax_model import (
    ARRAYS,
    FUNCTION,
    first_parameter,
    law_of_flax,
    renewed,
)
from dropout_stats.adapters.listening import Heard, hear, look_into
from dropout_stats.adapters.looking import Inside, by_mode, first_pass
from dropout_stats.callables import parameters_of
from dropout_stats.errors import HarnessError
from dropout_stats.laws import AnyLaw
from dropout_stats.modes import read_mode

_Arguments = dict[bool, dict[str, Any]]


def inside(
    model: linen.Module,
    *inputs: Any,
    variables: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
    evaluation: Mapping[str, Any] | None = None,
    **named: Any,
) -> Inside:
    """Make a target of each dropout of a model.

    The model is called as `model.apply(variables, *inputs, **named)`, with a key for dropout, and
    the input of one dropout is replaced on the way. Keys among the arguments are new ones in each
    pass. A layer that is called several times is judged at its first call. A model that is mapped
    over a batch is handed over with one example.

    Args:
        model: a `flax.linen.Module`, or one that is bound to its variables.
        *inputs: what it is called with.
        variables: those that it is applied to; by default those that it is bound to, or else new
            ones: no dropout depends on them, since its input is replaced.
        training: more of it in a training pass. What names a field of the model, and no parameter
            of its call, replaces that field. By default the parameter or the field that selects the
            mode is found by its name, such as `deterministic` or `train`.
        evaluation: likewise in an evaluation pass; `dict(rngs={})` for one without keys.
        **named: more of what `apply` takes, in both: arguments of the model, `rngs`, `method`.

    Raises:
        HarnessError: the model cannot be called, holds no dropout, or its mode was not found.

    """
    if model.scope is not None:
        model, bound = model.unbind()
        variables = bound if variables is None else variables
    modes = by_mode(named, training, evaluation)
    if training is None and evaluation is None:
        _select_mode(model, modes)
    return look_into(_Model(model, inputs, modes, variables), FUNCTION)


def _select_mode(model: linen.Module, modes: _Arguments) -> None:
    """Add what selects the mode to the arguments of each."""
    kind = type(model)
    called = _called(model, modes[True])
    mode = read_mode(kind.__name__, parameters_of(called), called)
    mode = mode or read_mode(kind.__name__, parameters_of(kind), kind)
    if mode is None:
        raise HarnessError(_NO_MODE.format(kind=kind.__name__))
    modes[True][mode.name], modes[False][mode.name] = mode.training, mode.evaluation


def _called(model: linen.Module, named: Mapping[str, Any]) -> Callable[..., Any]:
    """What `apply` calls."""
    method = named.get("method") or "__call__"
    found: Callable[..., Any] = getattr(type(model), method) if isinstance(method, str) else method
    return found


_NO_MODE = """\
{kind} has no parameter or field such as deterministic or train, so nothing selects its mode. \
Say which of its arguments or fields do:
    dropout_stats.inside(model, ..., training=dict(...), evaluation=dict(...))
Where that is the lack of a key, evaluation=dict(rngs={{}}); where none does, dict() for both"""


class _Model:
    """A Linen model and what it is called with."""

    arrays = ARRAYS
    is_told = True

    def __init__(
        self,
        model: linen.Module,
        inputs: tuple[Any, ...],
        named: _Arguments,
        variables: Mapping[str, Any] | None,
    ) -> None:
        self.model, self._inputs = model, inputs
        split = {mode: _with_fields(model, arguments) for mode, arguments in named.items()}
        self._models = {mode: found for mode, (found, _) in split.items()}
        self._named = {mode: {**_applied(), **arguments} for mode, (_, arguments) in split.items()}
        self.rates: dict[str, float] = {}
        self._dropouts: dict[str, linen.Dropout] = {}
        self._norms: dict[str, None] = {}
        self._running: set[str] = set()
        self._seed, self._passes = 0, 0
        self._variables = self._initial() if variables is None else variables

    @property
    def norms(self) -> tuple[str, ...]:
        return tuple(self._norms)

    def seed(self, number: int) -> None:
        self._seed, self._passes = number, 0

    def call(self, *, training: bool, traced: bool) -> Any:  # noqa: ARG002 - nothing is changed
        self._passes += 1
        given = (self._inputs, self._named[training])
        inputs, named = renewed(given, self._seed, self._passes)
        with linen.intercept_methods(self._intercept):
            return self._models[training].apply(self._variables, *inputs, **named)

    def law(self, name: str, shape: tuple[int, ...]) -> AnyLaw | None:
        layer = self._dropouts[name]
        if type(layer).__call__ is not linen.Dropout.__call__:
            return None
        return law_of_flax(layer.broadcast_dims, len(shape))

    def _initial(self) -> Mapping[str, Any]:
        """New variables, in evaluation: only that needs no noise."""
        arguments = {**self._named[False]}
        keys = {**_applied()["rngs"], **(arguments.pop("rngs") or {})}
        arguments.pop("mutable")
        with first_pass(self.model, "an initialising"):
            variables: Mapping[str, Any] = self._models[False].init(
                keys, *self._inputs, **arguments
            )
        return variables

    def _intercept(
        self,
        proceed: Callable[..., Any],
        args: tuple[Any, ...],
        named: dict[str, Any],
        context: linen.module.InterceptorContext,
    ) -> Any:
        module, name = context.module, _name(context.module)
        # A transformed module has no name of its own for a while, and the one that it wraps has.
        if name or type(module) is type(self.model):
            for held in (module, *_held(module)):
                self._note(held)
        is_looked_at = isinstance(module, linen.Dropout | linen.BatchNorm)
        # A subclass may call its base, which is the same layer.
        if not is_looked_at or context.method_name != "__call__" or name in self._running:
            return proceed(*args, **named)
        self._running.add(name)
        try:
            return hear(Heard(name, proceed, args, named, first_parameter(type(module))))
        finally:
            self._running.discard(name)

    def _note(self, module: linen.Module) -> None:
        name = _name(module)
        if isinstance(module, linen.Dropout) and name not in self.rates:
            self.rates[name], self._dropouts[name] = float(module.rate), module
        if isinstance(module, linen.BatchNorm) and module.use_running_average is not True:
            self._norms[name] = None


def _applied() -> dict[str, Any]:
    """What a model is applied with beside its own arguments: any key that it asks for."""
    keys = {"dropout": jax.random.key(0), "params": jax.random.key(1)}
    return {"rngs": keys, "mutable": DenyList("params")}


def _with_fields(
    model: linen.Module, named: Mapping[str, Any]
) -> tuple[linen.Module, dict[str, Any]]:
    """The model with the fields that are named so, and the other arguments."""
    taken = inspect.signature(_called(model, named)).parameters
    own = {name for name in inspect.signature(type(model)).parameters if name not in taken}
    fields = {name: value for name, value in named.items() if name in own}
    others = {name: value for name, value in named.items() if name not in own}
    return (model.clone(**fields) if fields else model), others


def _held(module: linen.Module) -> Iterator[linen.Module]:
    """Modules in the attributes of one that runs: they may never be called."""
    for leaf in jax.tree.leaves(vars(module), is_leaf=_is_module):
        if _is_module(leaf) and leaf.scope is not None:
            yield leaf


def _is_module(value: Any) -> bool:
    return isinstance(value, linen.Module)


def _name(module: linen.Module) -> str:
    return ".".join(module.path)
