"""What lies below a callable: its function, its parameters, and the constants in its code."""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any


def underlying(target: Any) -> Any:
    """Return the function below partial applications, decorators, methods and callable objects."""
    while isinstance(target, partial):
        target = target.func
    function = _unwrap(target)
    if not hasattr(function, "__code__") and not isinstance(function, type):
        function = _unwrap(getattr(type(function), "__call__", function))  # noqa: B004
    return getattr(function, "__func__", function)


def is_instance(target: Any) -> bool:
    """Whether a callable is an object whose class defines the call."""
    return not (
        isinstance(target, type | partial)
        or inspect.isroutine(target)
        or hasattr(_unwrap(target), "__code__")
    )


def parameters_of(function: Any) -> dict[str, inspect.Parameter]:
    """Return the parameters that have a name; empty where it takes any arguments.

    Raises:
        TypeError, ValueError: there is no signature.

    """
    return {
        name: parameter
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    }


def initialised_by(target: Any) -> dict[str, inspect.Parameter]:
    """Return the parameters of a constructor whose class would show those of its metaclass."""
    given = target if isinstance(target, partial) else partial(target)
    if isinstance(given.func, type):
        layer: Any = given.func
        given = partial(layer.__init__, None, *given.args, **given.keywords)
    return dict(inspect.signature(given).parameters)


def constants_of(function: Any) -> list[Any]:
    """Return the constants in the code of a function, and those inside its tuples and sets."""
    code = getattr(underlying(function), "__code__", None)
    found: list[Any] = []
    for value in code.co_consts if code else ():
        # The order of a set of words changes from run to run.
        parts = sorted(value, key=repr) if isinstance(value, frozenset) else value
        found += parts if isinstance(parts, (list, tuple)) else [value]
    return found


def name_of(target: Any) -> str:
    """Return how messages call a callable."""
    for named in (target, type(target) if is_instance(target) else underlying(target)):
        name = getattr(named, "__qualname__", None)
        if isinstance(name, str):
            return name
    return type(target).__name__


def _unwrap(function: Any) -> Any:
    try:
        return inspect.unwrap(function)
    except ValueError:  # a cycle of wrappers
        return function
