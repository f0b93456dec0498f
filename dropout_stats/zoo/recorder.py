"""The operations of NumPy that a pass is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dropout_stats.laws.reading import Array


class _Recorded(np.ndarray):
    """An array that writes down what is done with it; the results are plain arrays."""

    names: list[str]

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        self.names.append(ufunc.__name__)
        return getattr(ufunc, method)(*map(_plain, inputs), **kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        self.names.append(function.__name__)
        return function(*map(_plain, args), **kwargs)


def _plain(value: Any) -> Any:
    return value.view(np.ndarray) if isinstance(value, _Recorded) else value


def operations(evaluate: Callable[[Array, float], Any], x: Array, rate: float) -> tuple[str, ...]:
    """Return the names of the operations on the input that an evaluation pass makes."""
    names: list[str] = []
    recorded = x.view(_Recorded)
    recorded.names = names
    evaluate(recorded, rate)
    return tuple(names)
