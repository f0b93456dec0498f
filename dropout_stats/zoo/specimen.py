"""What a specimen is: one dropout of the zoo, with what is known of it beforehand."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Protocol, TypeVar

from dropout_stats.laws import is_indirect
from dropout_stats.target import Target

COARSE = 2.0**-6


class _Builder(Protocol):
    """A class whose instances make a target."""

    def target(self) -> Target:
        """Make the target."""
        ...


_Built = TypeVar("_Built", bound=_Builder)


@dataclass(frozen=True, kw_only=True)
class Specimen:
    """One dropout, wrong in one way or correct in an unusual one.

    Args:
        name: what it is called everywhere; that of its class.
        fault: what is wrong with it; for a correct one, what is unusual about it.
        threads: where such a bug was reported, each as `owner/repo#number`; () where it was made
            up for a check that no known report needs, and for correct ones.
        build: makes a new target; nothing is shared between two of them.
        killed_by: id of the check that must fail it; None for a correct one.
        diagnosis: name of the first diagnosis that it must get; None for a correct one.
        naive: whether it is one of those that the naive test is scored on.
        resolution: the coarsest `resolution=` at which the check must see the fault.

    """

    name: str
    fault: str
    threads: tuple[str, ...]
    build: Callable[[], Target]
    killed_by: str | None
    diagnosis: str | None = None
    naive: bool = False
    resolution: float = COARSE

    @property
    def is_wrong(self) -> bool:
        """Whether something is wrong with it."""
        return self.killed_by is not None

    @property
    def fixed_rates(self) -> tuple[float, ...] | None:
        """The only rates that it can be asked for; None: any."""
        target = self.build()
        declared, law = target.conventions and target.conventions.rates, target.law
        return declared or (law.fixed_rates() if law and is_indirect(law) else None)


_SPECIMENS: dict[type[object], Specimen] = {}  # those of a class, in the order of definition


def wrong(
    *threads: str,
    killed_by: str,
    diagnosis: str | None = None,
    naive: bool = False,
    resolution: float = COARSE,
) -> Callable[[type[_Built]], type[_Built]]:
    """Make a specimen of the decorated class: its docstring states the one fault that it has."""

    def mark(cls: type[_Built]) -> type[_Built]:
        return _mark(
            cls,
            Specimen(
                name=cls.__name__,
                fault=_stated(cls),
                threads=threads,
                build=lambda: _named(cls),
                killed_by=killed_by,
                diagnosis=diagnosis,
                naive=naive,
                resolution=resolution,
            ),
        )

    return mark


def correct(cls: type[_Built]) -> type[_Built]:
    """Make a specimen of the decorated class: its docstring says what is unusual about it."""
    return _mark(
        cls,
        Specimen(
            name=cls.__name__,
            fault=_stated(cls),
            threads=(),
            build=lambda: _named(cls),
            killed_by=None,
        ),
    )


def specimens_of(family: ModuleType) -> tuple[Specimen, ...]:
    """Return the specimens of a module, in the order in which they are written."""
    return tuple(
        specimen for cls, specimen in _SPECIMENS.items() if cls.__module__ == family.__name__
    )


def address(thread: str) -> str:
    """Return where a thread `owner/repo#number` is to be read; of a pull request, too."""
    repository, _, number = thread.partition("#")
    return f"https://github.com/{repository}/issues/{number}"


def _named(cls: type[_Builder]) -> Target:
    """A new target, with the words that name it on the command line."""
    return replace(cls().target(), spec=f"dropout_stats.zoo.targets:{cls.__name__}")


def _mark(cls: type[_Built], specimen: Specimen) -> type[_Built]:
    _SPECIMENS[cls] = specimen
    return cls


def _stated(cls: type[object]) -> str:
    return " ".join((inspect.getdoc(cls) or "").split())
