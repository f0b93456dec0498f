"""Whether passes of a whole model of PyTorch agree, some of its dropouts aside."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch.utils._pytree import tree_map_only

from dropout_stats.adapters.repeats import Repeats, repeats_of
from dropout_stats.adapters.torch import to_array


def repeated(
    call: Callable[..., Any], given: Any, training: bool, passed_by: Iterable[torch.nn.Module] = ()
) -> Repeats:
    """Compare passes in which the first call of some layers does nothing.

    Args:
        call: `call(given, training=...)`: a pass, which leaves the model as it was.
        given: what the model is called with; each pass has a copy, which it may write into.
        training: the mode.
        passed_by: the layers.

    """

    def one_pass() -> Any:
        with ExitStack() as stack:
            for layer in passed_by:
                stack.enter_context(_passed_by(layer))
            return call(tree_map_only(torch.Tensor, torch.clone, given), training=training)

    with torch.random.fork_rng(), torch.no_grad():
        return repeats_of(one_pass, to_array, torch.manual_seed)


@contextmanager
def _passed_by(layer: torch.nn.Module) -> Iterator[None]:
    """Let the first call of a layer give its input back, also one that works in place."""
    kept: list[torch.Tensor] = []
    done: list[bool] = []

    def before(_: Any, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        value = next(iter((*args, *named.values())), None)
        if isinstance(value, torch.Tensor) and not kept:
            kept.append(value.clone())

    def after(_: Any, __: Any, output: Any) -> Any:
        if done or not kept:
            return output
        done.append(True)
        return kept[0] if _is_alike(kept[0], output) else output

    hooks = [
        layer.register_forward_pre_hook(before, with_kwargs=True),
        layer.register_forward_hook(after),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _is_alike(one: torch.Tensor, other: Any) -> bool:
    """Whether one tensor can stand for another; the nested ones of a transformer have no shape."""
    if not isinstance(other, torch.Tensor) or one.is_nested or other.is_nested:
        return isinstance(other, torch.Tensor) and one.is_nested and other.is_nested
    return (one.shape, one.dtype) == (other.shape, other.dtype)
