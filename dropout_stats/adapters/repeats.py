"""Whether passes of a whole model on one input agree: what draws shows, be it a layer or not."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import is_dataclass
from numbers import Number
from typing import Any, NamedTuple

import numpy as np

from dropout_stats import dtypes
from dropout_stats.adapters.looking import PASSES
from dropout_stats.errors import HarnessError
from dropout_stats.laws.reading import Array

Repeat = Callable[[bool], "Repeats"]


class Repeats(NamedTuple):
    """What several passes show.

    Args:
        differ: how two of them differ; empty where all agree.
        is_read: whether they returned any array: what holds none is not compared.

    """

    differ: str
    is_read: bool

    def in_evaluation(self, model: object) -> str:
        """What is wrong, where these are evaluation passes without the dropouts that are judged."""
        if not self.differ:
            return ""
        return (
            f"something else in {type(model).__name__} draws in evaluation: two evaluation passes "
            f"of it on one input {self.differ}, though the dropout layers that are judged were "
            "passed by; expected the same output"
        )

    def require_a_report(self, model: object, targets: Collection[str]) -> None:
        """Raise HarnessError where they differ, and no report on a dropout can say so."""
        if self.differ and not targets:
            raise HarnessError(f"{self.in_evaluation(model)}. None is judged")

    def notes(self, model: object) -> tuple[str, ...]:
        """What the report on each of its dropouts should say."""
        if not self.is_read:
            return (
                f"whether evaluation mode is reached everywhere in {type(model).__name__} was not "
                "seen: it returns no arrays, so its evaluation passes were not compared",
            )
        return (self.in_evaluation(model),) if self.differ else ()


def repeats_of(
    call: Callable[[], Any],
    to_numpy: Callable[[Any], Any],
    seed: Callable[[int], object] | None = None,
) -> Repeats:
    """Compare what a few passes return.

    Numbers are equal up to the root of the precision of their type, relative to the largest: some
    kernels add in another order each time. Where passes with one seed agree in every bit, they do
    not, and any difference between passes with other seeds is drawn.

    Args:
        call: makes a pass and returns its output.
        to_numpy: an array of the framework as one of NumPy.
        seed: resets the randomness; None: it is left as it is.

    """

    def output(number: int) -> list[Array]:
        if seed:
            seed(number)
        return list(_arrays(call(), to_numpy))

    first, *others = map(output, range(PASSES))
    differ = _first_apart(first, others, _tolerance)
    if seed and not differ:
        differ = _first_apart(first, others, _none)
        if differ and _first_apart(first, [output(0) for _ in range(2 * PASSES)], _none):
            differ = ""
    return Repeats(differ, bool(first))


def drawn_by(repeat: Repeat) -> list[str]:
    """What the passes of a model without a dropout layer show: why nothing is judged matters.

    Args:
        repeat: `repeat(training)`: compares passes in a mode.

    """
    shown = {
        True: "so something in it draws: perhaps a function, or a layer that drops inside itself",
        False: "so evaluation mode does not reach all that draws",
    }
    said = []
    for training, what in shown.items():
        try:
            differ = repeat(training).differ
        except Exception:  # noqa: BLE001, S112 - a model that cannot be called shows nothing
            continue
        mode = "training" if training else "evaluation"
        said += [f"two {mode} passes of it on one input {differ}, {what}"] if differ else []
    return said


def _arrays(output: Any, to_numpy: Callable[[Any], Any]) -> Iterator[Array]:
    """The arrays of an output, in containers of any depth."""
    if isinstance(output, Mapping):
        inside = list(output.values())
    elif isinstance(output, list | tuple):
        inside = list(output)
    elif is_dataclass(output):
        inside = list(vars(output).values())
    else:
        yield from _array(output, to_numpy)
        return
    for one in inside:
        yield from _arrays(one, to_numpy)


def _array(leaf: Any, to_numpy: Callable[[Any], Any]) -> Iterator[Array]:
    if not isinstance(leaf, Number) and not hasattr(leaf, "dtype"):
        return
    try:
        array = np.asarray(to_numpy(leaf))
    except Exception:  # noqa: BLE001 - keys of JAX and sparse tensors, for instance
        return
    if array.dtype.kind in "biufc" or array.dtype.name in dtypes.KNOWN:
        yield array


def _first_apart(
    first: list[Array], others: Iterable[list[Array]], tolerance: Callable[[Array], float]
) -> str:
    return next(filter(None, (_apart(first, other, tolerance) for other in others)), "")


def _apart(first: list[Array], second: list[Array], tolerance: Callable[[Array], float]) -> str:
    """How two outputs differ."""
    shapes = [[one.shape for one in output] for output in (first, second)]
    if shapes[0] != shapes[1]:
        return f"return arrays of the shapes {shapes[0]} and {shapes[1]}"
    both = zip(first, second, strict=True)
    return next(filter(None, (_difference(a, b, tolerance(a)) for a, b in both)), "")


def _difference(one: Array, other: Array, tolerance: float) -> str:
    a, b = _wide(one), _wide(other)
    with np.errstate(invalid="ignore"):
        gaps = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0, np.abs(a - b))
    finite = np.abs(a[np.isfinite(a)])
    largest = finite.max() if finite.size else 0.0
    if (gaps <= tolerance * largest).all():
        return ""
    return f"differ by up to {gaps.max():.3g}, where its values reach {largest:.3g}"


def _wide(array: Array) -> Any:
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)


def _none(_: Array) -> float:
    return 0.0


def _tolerance(array: Array) -> float:
    name = array.dtype.name
    if name in dtypes.KNOWN:
        return float(np.sqrt(dtypes.precision(name).eps))
    return float(np.sqrt(np.finfo(array.dtype).eps)) if array.dtype.kind in "fc" else 0.0
