"""Laws by their names, as the command line, pyproject.toml and reports write them.

`inverted`, or with parameters as in Python: `inverted(rate_bits=8)`.
"""

from __future__ import annotations

import ast
from dataclasses import fields
from typing import Any

from dropout_stats.errors import UsageError, did_you_mean
from dropout_stats.laws.continuous import (
    GaussianMultiplicative,
    LogNormalMultiplicative,
    Multiplicative,
    UniformMultiplicative,
)
from dropout_stats.laws.drop_block import DropBlock
from dropout_stats.laws.exact_count import ExactCount
from dropout_stats.laws.indirect import Alpha, GaussianAdditive
from dropout_stats.laws.inverted import Inverted
from dropout_stats.laws.law import AnyLaw, TwoValued, parameters_of
from dropout_stats.laws.test_scaled import TestScaled

_LAWS: dict[str, type[TwoValued] | type[Multiplicative]] = {
    law.name: law
    for law in (
        Inverted,
        TestScaled,
        GaussianMultiplicative,
        UniformMultiplicative,
        LogNormalMultiplicative,
        GaussianAdditive,
        Alpha,
        ExactCount,
        DropBlock,
    )
}


def by_name(text: str) -> AnyLaw:
    """Return the law of a name.

    Raises:
        UsageError: there is no such law, or it has no such parameter.

    """
    name, bracket, rest = text.partition("(")
    name = name.strip()
    if name not in _LAWS:
        raise UsageError(
            f"unknown law {name!r}: expected one of {', '.join(_LAWS)}.{did_you_mean(name, _LAWS)}"
        )
    law = _LAWS[name]
    parameters = _parameters(text, bracket + rest) if bracket else {}
    known = [field.name for field in fields(law)]
    for parameter in parameters:
        if parameter not in known:
            raise UsageError(
                f"the law {name} has no parameter {parameter!r}; it has {', '.join(known)}."
                f"{did_you_mean(parameter, known)}"
            )
    return law(**parameters)


def spelled(law: AnyLaw) -> str | None:
    """The name that `by_name` makes this law of; None for a law of the user's own."""
    kind = _LAWS.get(law.name)
    if kind is None or type(law) is not kind:
        return None
    given = parameters_of(law)
    return f"{law.name}({given})" if given else law.name


def _parameters(text: str, brackets: str) -> dict[str, Any]:
    try:
        call = ast.parse(f"law{brackets}", mode="eval").body
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and not call.args:
            return {str(pair.arg): ast.literal_eval(pair.value) for pair in call.keywords}
    except (SyntaxError, ValueError):  # a value that is no literal
        pass
    raise UsageError(f"{text!r} is no law: parameters are written as in 'inverted(rate_bits=8)'")
