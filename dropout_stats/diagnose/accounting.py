"""Which failed check goes with which diagnosis, so that each is listed once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from dropout_stats.results import Diagnosis


@dataclass(frozen=True)
class Named:
    """A diagnosis and the checks that fail because of it.

    Args:
        diagnosis: what to say.
        takes: ids or patterns of the checks whose failure it is, or that say the same in other
            words.
        follows: ids or patterns of checks that it makes fail, where no other diagnosis takes them.
        is_remark: whether it says something of the failures of others, and stays without its own.

    """

    diagnosis: Diagnosis
    takes: tuple[str, ...]
    follows: tuple[str, ...] = ()
    is_remark: bool = False


def account(named: Sequence[Named], failed: Iterable[str]) -> tuple[Diagnosis, ...]:
    """Give each failed check to one diagnosis, roots first; drop those for which nothing is left.

    Args:
        named: what was named, roots before what follows from them.
        failed: ids of the failed checks, in the order of the report.

    """
    left = list(dict.fromkeys(failed))
    kept: list[tuple[Named, list[str]]] = []
    for one in named:
        own = _take(one.takes, left)
        if own or one.is_remark:
            kept.append((one, own))
    for one, own in kept:
        own.extend(_take(one.follows, left))
    return tuple(replace(one.diagnosis, checks=tuple(own)) for one, own in kept)


def _take(patterns: Sequence[str], left: list[str]) -> list[str]:
    taken = [check for check in left if any(fnmatchcase(check, p) for p in patterns)]
    left[:] = [check for check in left if check not in taken]
    return taken
