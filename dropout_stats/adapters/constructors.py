"""How a layer is built from a rate, read from the parameters of its constructor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from dropout_stats.callables import name_of, parameters_of
from dropout_stats.errors import HarnessError
from dropout_stats.signatures import RateParameter, read_key, read_rate


class Constructor(NamedTuple):
    """The parameters of a constructor that are filled."""

    rate: RateParameter
    key: str | None


def read_constructor(
    layer: Callable[..., Any], name: str, framework: str | None, filled: tuple[str, ...] = ()
) -> Constructor:
    """Read the constructor of a layer.

    Args:
        layer: the class, or a function that builds layers.
        name: how reports call it.
        framework: the adapter that judges it; None: that of the arrays that it takes.
        filled: parameters beside those that are shown, which the adapter fills.

    Raises:
        HarnessError: it needs more than is known; the message has the lines that give it.

    """
    parameters, shown = parameters_of(layer), shown_name(layer)
    rate = read_rate(name, parameters, how_built(f"lambda rate: {shown}(...)", framework))
    key = read_key(parameters)
    missing = [
        p.name
        for p in parameters.values()
        if p.default is p.empty and p.name not in (rate.name, key)
    ]
    if missing:
        keys = (*filled, *((key,) if key else ()))
        number = "1 - rate" if rate.argument == "keep_prob" else "rate"
        given = [*(f"{n}=..." for n in missing), *(f"{n}={n}" for n in keys)]
        call = f"{shown}({', '.join((*given, f'{rate.name}={number}'))})"
        build = f"lambda {', '.join(('rate', *keys))}: {call}"
        raise HarnessError(
            f"{name} cannot be built from a rate alone: it needs {', '.join(missing)}.\n"
            f"{how_built(build, framework)}"
        )
    return Constructor(rate, key)


def shown_name(layer: Callable[..., Any]) -> str:
    """The name by which the code that defines a class has it."""
    return name_of(layer).rpartition("<locals>.")[2]


def how_built(build: str, framework: str | None) -> str:
    """The lines that judge a layer by saying how it is built, on the arrays that it takes."""
    chosen = f', framework="{framework}"' if framework else ""
    return (
        f"Say how it is built, and judge that:\n    target = dropout_stats.adapt({build}{chosen})"
    )
