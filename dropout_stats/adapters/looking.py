"""What is said of a model whose dropouts are judged where they are, whatever its framework."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from dropout_stats.batchnorm import Shift
from dropout_stats.errors import HarnessError, UsageError
from dropout_stats.target import Target

PASSES = 4  # to find out what a model calls
TRIES = 64  # passes until a part that is left out by chance is called


class Enclosed(NamedTuple):
    """A layer that drops inside itself, where no input of the dropout can be replaced.

    Args:
        rate: its rate.
        judged_by: the import string of its class, by which it is read out: `ds.adapt(judged_by)`.

    """

    rate: float
    judged_by: str

    def of(self, name: str) -> str:
        """What to say of the layer of this name."""
        kind = self.judged_by.rpartition(":")[2]
        return (
            f"{name or 'the model'} ({kind}, dropout={self.rate:g}) drops inside itself, and is "
            "not judged where it is; judge its kind by itself: "
            f"dropout_stats.adapt({self.judged_by!r})"
        )


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
        evaluation_differs: how two evaluation passes of the whole model differ, though the targets
            were passed by: something that is no target draws in evaluation. Empty where they agree.
            Each target fails `inference.deterministic` for it.
        enclosed: layers that drop inside themselves, such as attention and stacks of recurrent
            layers of PyTorch, by name: they are not judged here, and each says how they are.

    """

    targets: dict[str, Target]
    idle: tuple[str, ...]
    unused: tuple[str, ...]
    shifted: tuple[str, ...]
    mapped: tuple[str, ...] = ()
    shifts: Mapping[str, Shift] = field(default_factory=dict)
    evaluation_differs: str = ""
    enclosed: Mapping[str, Enclosed] = field(default_factory=dict)


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


def without_size(
    order: Iterable[str], judged: Collection[str], norms: Collection[str]
) -> dict[str, tuple[str, ...]]:
    """What to say of normalisations whose shift is not known, to the dropout before each.

    Args:
        order: names of modules, in the order of their calls.
        judged: names of the dropouts.
        norms: names of these normalisations.

    """
    said: dict[str, tuple[str, ...]] = {}
    dropout = None
    for name in order:
        dropout = name if name in judged else dropout
        if name in norms and dropout is not None:
            said[dropout] = (*said.get(dropout, ()), _WITHOUT_SIZE.format(name, dropout))
    return said


_WITHOUT_SIZE = (
    "batch normalisation {} is called after {}: the variance that it collects in training is that "
    "of features with noise, and another than in evaluation. By how much is not known: there is no "
    "closed form for what lies between, or it is not seen"
)


def require_some(
    rates: Mapping[str, float], model: object, function: str, seen: Callable[[], Iterable[str]]
) -> None:
    """Raise HarnessError where there is nothing to judge.

    Args:
        rates: those of the dropouts.
        model: the model.
        function: how a dropout that is a function is judged.
        seen: what else to say then.

    """
    if not rates:
        refused = (
            f"{type(model).__name__} holds no dropout layer; one that is a function is judged by "
            f"itself, e.g. {function}"
        )
        raise HarnessError("\n".join((refused, *seen())))


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
