"""What is said of a model whose dropouts are judged where they are, whatever its framework."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from dropout_stats.batchnorm import Shift
from dropout_stats.errors import HarnessError, UsageError
from dropout_stats.target import Target

PASSES = 4  # to find out what a model calls
TRIES = 64  # passes until a part that is left out by chance is called


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
        mapped: dropouts that it calls inside a transformation such as `jax.vmap`, where an input
            cannot be replaced: they are not judged.
        shifts: by how much, for each of `shifted` that follows a dropout with at most one linear
            layer between: by its name, where the framework lets that be seen. The target of the
            dropout says it, too.

    """

    targets: dict[str, Target]
    idle: tuple[str, ...]
    unused: tuple[str, ...]
    shifted: tuple[str, ...]
    mapped: tuple[str, ...] = ()
    shifts: Mapping[str, Shift] = field(default_factory=dict)


def after_a_dropout(
    order: Iterable[str], rates: Mapping[str, float], norms: Collection[str]
) -> tuple[str, ...]:
    """The normalisations among modules, in the order of their calls, that see noise of a dropout.

    Args:
        order: names of modules.
        rates: those of the dropouts.
        norms: names of the normalisations.

    """
    called = list(order)
    dropping = (place for place, name in enumerate(called) if rates.get(name))
    first = next(dropping, len(called))
    return tuple(name for name in called[first:] if name in norms)


def require_some(rates: Mapping[str, float], model: object, function: str) -> None:
    """Raise HarnessError where there is nothing to judge."""
    if not rates:
        raise HarnessError(
            f"{type(model).__name__} holds no dropout layer; one that is a function is judged by "
            f"itself, e.g. {function}"
        )


def by_mode(
    named: Mapping[str, Any],
    training: Mapping[str, Any] | None,
    evaluation: Mapping[str, Any] | None,
) -> dict[bool, dict[str, Any]]:
    """The named arguments of a training pass (True) and of an evaluation pass (False).

    Raises:
        UsageError: one of the modes is no mapping, such as the flag of a framework.

    """
    for word, given in (("training", training), ("evaluation", evaluation)):
        if not isinstance(given, Mapping | None):
            raise UsageError(
                f"{word}={given!r}: expected the arguments of such a pass, by name, e.g. "
                f"{word}=dict(train={word == 'training'}); both passes are made, each in its mode"
            )
    return {True: {**named, **(training or {})}, False: {**named, **(evaluation or {})}}


@contextmanager
def first_pass(model: object, mode: str) -> Iterator[None]:
    """Say of a model that cannot be called that it cannot."""
    try:
        yield
    except HarnessError:
        raise
    except Exception as error:
        raise HarnessError(
            f"{type(model).__name__} could not be called with what was handed over: {mode} pass "
            f"raised {type(error).__name__}: {error}"
        ) from error
