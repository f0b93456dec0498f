"""Each specimen as a target by its name, so that `dropout_stats.zoo.targets:NAME` names it."""

from __future__ import annotations

from dropout_stats import zoo
from dropout_stats.target import Target


def __getattr__(name: str) -> Target:
    if name in zoo.by_name:
        return zoo.by_name[name].build()
    raise AttributeError(f"the zoo has no specimen {name!r}")


def __dir__() -> list[str]:
    return list(zoo.by_name)
