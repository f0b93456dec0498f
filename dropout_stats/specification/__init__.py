"""The specification: what a conforming dropout has to do, in numbered requirements."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from dropout_stats.errors import UsageError, did_you_mean
from dropout_stats.specification.requirement import Requirement, requirements

__all__ = ["ALL", "Requirement", "choose"]

ALL: tuple[Requirement, ...] = requirements()


def choose(names: Sequence[str]) -> tuple[Requirement, ...]:
    """Return the requirements with these numbers or ids, in their order; patterns match several.

    Raises:
        UsageError: a name is none of a requirement, and matches none.

    """
    for name in names:
        if not any(_is_named(requirement, name) for requirement in ALL):
            known = [word for requirement in ALL for word in _names(requirement)]
            raise UsageError(
                f"there is no requirement or check {name!r}.{did_you_mean(name, known)} "
                "`dropout-stats list` shows all of them"
            )
    return tuple(one for one in ALL if any(_is_named(one, name) for name in names))


def _is_named(requirement: Requirement, pattern: str) -> bool:
    return any(fnmatchcase(name, pattern) for name in _names(requirement))


def _names(requirement: Requirement) -> tuple[str, ...]:
    return requirement.id, requirement.number, requirement.number.removeprefix("R")
