"""The line that asks one case again: with a seed that the target takes, it finds the same."""

from __future__ import annotations

import math
import shlex
import sys
from dataclasses import fields, replace
from typing import Any

from dropout_stats import laws
from dropout_stats.conventions import Conventions, to_words
from dropout_stats.planning import Plan
from dropout_stats.results import Case


def reproduction(plan: Plan, case: Case) -> str:
    """Return a command, or a Python expression where no command names the target and its law.

    The rates and types of the whole plan stay: the share of the case, and with it the draws,
    depend on how many there are.
    """
    asked = replace(plan.asked, checks=(case.id,), skip=(), expected=())
    given = _others_than_the_defaults(asked) | {"seed": asked.seed}
    if plan.spec is None or (asked.law and not laws.spelled(asked.law)):
        return _expression(plan.variable, given)
    return _command(plan.spec, given)


def _others_than_the_defaults(of: Any) -> dict[str, Any]:
    default = type(of)()
    values = {field.name: getattr(of, field.name) for field in fields(of)}
    return {name: value for name, value in values.items() if value != getattr(default, name)}


def _command(spec: str, given: dict[str, Any]) -> str:
    words = [word for name, value in given.items() for word in _words(name, value, spec)]
    return f"dropout-stats check {spec} {shlex.join(words)}"


def _words(name: str, value: Any, spec: str) -> list[str]:
    if name == "law":  # the reference is named by its law
        return [] if spec.startswith("--law ") else ["--law", laws.spelled(value) or value.name]
    if name == "conventions":
        held = _others_than_the_defaults(value).items()
        return [word for pair in held for word in _convention(*pair)]
    if name == "shapes":
        value = tuple("x".join(map(str, shape)) or "()" for shape in value)
    return [f"--{name.replace('_', '-')}", to_words(value)]


def _convention(name: str, value: Any) -> list[str]:
    if (name, value) == ("rate_argument", "keep_prob"):
        return ["--keep-prob"]
    return ["--convention", f"{name}={to_words(value)}"]


def _expression(target: str, given: dict[str, Any]) -> str:
    arguments = [f"{name}={_shown(value)}" for name, value in given.items()]
    return f"ds.check({', '.join([target, *arguments])})"


def variable_of(value: object, otherwise: str) -> str:
    """Return how the script or session that runs writes this object, if it has a name for it."""
    if isinstance(value, str):
        return repr(value)
    names = vars(sys.modules["__main__"]).items()
    known = (name for name, one in names if one is value and not name.startswith("_"))
    return next(known, otherwise)


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return repr(list(value))
    if isinstance(value, Conventions):
        held = _others_than_the_defaults(value).items()
        return f"ds.Conventions({', '.join(f'{name}={one!r}' for name, one in held)})"
    if laws.is_law(value):
        return f"ds.laws.{value}" if laws.spelled(value) else variable_of(value, "law")
    return "float('inf')" if value == math.inf else repr(value)
