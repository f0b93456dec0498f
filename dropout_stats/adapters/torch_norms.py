"""Batch normalisations behind a dropout of a PyTorch model: which, and by how much they are off."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from dropout_stats.adapters.looking import PASSES, first_pass
from dropout_stats.batchnorm import Shift, ratio_of
from dropout_stats.laws import AnyLaw, is_dependent, is_indirect

_Modules: TypeAlias = Mapping[str, Any]
_Hook: TypeAlias = Callable[..., None]
_Ratios: TypeAlias = NDArray[np.float64]

# Each output is a sum of distinct inputs; subclasses, and other paddings, may do otherwise.
_LINEAR = (torch.nn.Linear, torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d)


class _Origin(NamedTuple):
    """Where a tensor comes from: a dropout, what that was given, and a linear layer behind it."""

    dropout: str
    given: torch.Tensor
    layer: str | None


class _Seen(NamedTuple):
    """A tensor as it was: held, so that no other one gets its identity."""

    tensor: torch.Tensor
    version: int
    origin: _Origin


def shifts_of(
    model: torch.nn.Module,
    call: Callable[..., None],
    dropouts: _Modules,
    laws: Mapping[str, AnyLaw | None],
    norms: _Modules,
) -> dict[str, Shift]:
    """By how much each normalisation is off that is handed what a dropout has made.

    A tensor that a dropout returned is followed: to a normalisation, or through one linear layer.
    It must be that very tensor, and unchanged: whatever else was done to it ends the search.

    Args:
        model: the model.
        call: `call(training=...)`: a pass of it, which leaves it as it was.
        dropouts: those whose rate is inside (0, 1), by name.
        laws: of each of them; None where it is not known.
        norms: normalisations that have running statistics, by name.

    """
    if not norms or not any(laws.values()):
        return {}
    origins = _origins(model, call, dropouts, norms)
    ratios = {}
    for norm, origin in origins.items():
        law, layer = laws[origin.dropout], origin.layer and model.get_submodule(origin.layer)
        if law is not None and _has_ratio(law, layer):
            ratios[norm] = _ratio(law, float(dropouts[origin.dropout].p), origin.given, layer)
    learnt = _learnt(model, call, {norm: norms[norm] for norm in ratios})
    return {
        norm: Shift(origins[norm].dropout, origins[norm].layer, ratio, learnt.get(norm))
        for norm, ratio in ratios.items()
    }


def _origins(
    model: torch.nn.Module, call: Callable[..., None], dropouts: _Modules, norms: _Modules
) -> dict[str, _Origin]:
    """What is normalised first, for each that is handed noise; in a few passes, as it may vary."""
    found: dict[str, _Origin] = {}
    for _ in range(PASSES):
        with torch.no_grad(), _followed(model, dropouts, norms) as reached:
            call(training=True)
        found = {**reached, **found}
    return found


@contextmanager
def _followed(
    model: torch.nn.Module, dropouts: _Modules, norms: _Modules
) -> Iterator[dict[str, _Origin]]:
    """Give the normalisations that are reached, and from where, while a pass is made."""
    seen: dict[int, _Seen] = {}
    given: dict[str, torch.Tensor] = {}
    reached: dict[str, _Origin] = {}

    def note(tensor: Any, origin: _Origin) -> None:
        if _is_tracked(tensor):
            seen[id(tensor)] = _Seen(tensor, tensor._version, origin)

    def origin_of(args: tuple[Any, ...]) -> _Origin | None:
        held = seen.get(id(args[0])) if args else None
        return held.origin if held and held.version == held.tensor._version else None

    def before_dropout(name: str) -> _Hook:
        def hook(layer: Any, args: tuple[Any, ...]) -> None:
            given.pop(name, None)
            if args and _is_tracked(args[0]) and layer.training:
                given[name] = args[0].detach().clone()  # it may be written into

        return hook

    def after_dropout(name: str) -> _Hook:
        def hook(_: Any, __: Any, output: Any) -> None:
            if name in given:
                note(output, _Origin(name, given[name], None))

        return hook

    def after_linear(name: str) -> _Hook:
        def hook(_: Any, args: tuple[Any, ...], output: Any) -> None:
            origin = origin_of(args)
            if origin and origin.layer is None:
                note(output, origin._replace(layer=name))

        return hook

    def before_norm(name: str) -> _Hook:
        def hook(layer: Any, args: tuple[Any, ...]) -> None:
            origin = origin_of(args)
            if origin and layer.training and name not in reached:
                reached[name] = origin

        return hook

    linear = {n: module for n, module in model.named_modules() if isinstance(module, _LINEAR)}
    hooks = [
        *(one.register_forward_pre_hook(before_dropout(name)) for name, one in dropouts.items()),
        *(one.register_forward_hook(after_dropout(name)) for name, one in dropouts.items()),
        *(one.register_forward_hook(after_linear(name)) for name, one in linear.items()),
        *(one.register_forward_pre_hook(before_norm(name)) for name, one in norms.items()),
    ]
    try:
        yield reached
    finally:
        for hook in hooks:
            hook.remove()


def _is_tracked(value: Any) -> bool:
    """Whether it is a tensor that counts its changes."""
    return isinstance(value, torch.Tensor) and not value.is_inference()


def _has_ratio(law: AnyLaw, layer: Any) -> bool:
    """Whether the closed form holds: sums need terms that are independent of each other."""
    if is_indirect(law) or is_dependent(law):
        return False
    if layer is None:
        return True
    pads_otherwise = getattr(layer, "padding_mode", "zeros") != "zeros"
    own = type(layer) in _LINEAR and "weight" in dict(layer.named_parameters(recurse=False))
    return law.sharing.is_trivial and own and not pads_otherwise


def _ratio(law: AnyLaw, rate: float, given: torch.Tensor, layer: Any) -> _Ratios:
    x = given.double()
    clean, square = (
        (x, x**2) if layer is None else (_through(layer, x, 1), _through(layer, x**2, 2))
    )
    axes = [axis for axis in range(clean.ndim) if axis != 1]
    variance = clean.var(dim=axes, correction=0)
    return ratio_of(law, rate, variance.cpu().numpy(), square.mean(dim=axes).cpu().numpy())


def _through(layer: Any, x: torch.Tensor, power: int) -> torch.Tensor:
    """What a layer without its bias, and with this power of its weights, makes of x."""
    own = {name: value.double() for name, value in layer.named_parameters(recurse=False)}
    own["weight"] = own["weight"] ** power
    if "bias" in own:
        own["bias"] = torch.zeros_like(own["bias"])
    with torch.no_grad():
        found: torch.Tensor = torch.func.functional_call(layer, own, (x,))
    return found


def _learnt(
    model: torch.nn.Module, call: Callable[..., None], norms: _Modules
) -> dict[str, _Ratios]:
    """Variance of what each is given in evaluation, over its running variance, if it learnt one."""
    found: dict[str, _Ratios] = {}

    def note(name: str) -> _Hook:
        def hook(norm: Any, args: tuple[Any, ...]) -> None:
            z = args[0].double()
            seen = z.var(dim=[axis for axis in range(z.ndim) if axis != 1])
            found.setdefault(name, (seen / norm.running_var.double()).cpu().numpy())

        return hook

    trained = {name: norm for name, norm in norms.items() if int(norm.num_batches_tracked)}
    if not trained:
        return found
    hooks = [norm.register_forward_pre_hook(note(name)) for name, norm in trained.items()]
    try:
        with torch.no_grad(), first_pass(model, "an evaluation"):
            call(training=False)
    finally:
        for hook in hooks:
            hook.remove()
    return found
