"""One call before the run, where it was read and not declared how a target is called."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection
from typing import Any

import numpy as np

from dropout_stats import dtypes
from dropout_stats.conventions import Conventions
from dropout_stats.errors import HarnessError
from dropout_stats.signatures import wrap
from dropout_stats.target import Output, Target

_SHAPE = (3, 5)
_RATE = 0.5  # a keep probability as well


def first_output(target: Target) -> Any:
    """Make one training pass of a small input; return its output, or raise what it raises."""
    key = {"key": 0} if _conventions(target).randomness == "key" else {}
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # arrays of another framework bring warnings, too
        answer = target.train(_input(target), _RATE, **key)
    if isinstance(answer, Output):
        return answer.y
    return answer[0] if isinstance(answer, tuple) and answer else answer


def evaluates(target: Target) -> bool:
    """Whether an evaluation pass returns something of the shape of its input."""
    if target.evaluate is None:
        return False
    try:
        return bool(np.shape(target.evaluate(_input(target), _RATE)) == _SHAPE)
    except Exception:  # noqa: BLE001 - a word that the target does not know; it says so in many ways
        return False


def require(target: Target, assumed: Collection[str]) -> None:
    """Raise HarnessError where a call breaks for the way in which it was made.

    Args:
        target: the target.
        assumed: what was assumed about its parameters, in words.

    """
    if not assumed:
        return
    try:
        first_output(target)
    except (TypeError, AttributeError) as error:
        raise HarnessError(
            f"{target.name} raised {type(error).__name__}: {error}\n"
            f"Perhaps it wants to be called otherwise: {'; '.join(assumed)}. So nothing was said "
            f"about the dropout.\n{wrap(target.name)}{_settings(target.name, error)}"
        ) from error
    except Exception:  # noqa: BLE001, S110 - of the input, perhaps: the run says what it says of it
        pass


def _conventions(target: Target) -> Conventions:
    return target.conventions or Conventions()


def _input(target: Target) -> Any:
    dtype = dtypes.as_dtype(_conventions(target).dtypes[0])
    return np.linspace(-1, 1, 15).reshape(_SHAPE).astype(dtype)


def _settings(name: str, error: Exception) -> str:
    """What to do where the number stands in the place of a dictionary."""
    if not re.search(r"'float' object (is not subscriptable|has no attribute)", str(error)):
        return ""
    function = name.rpartition(":")[2].rpartition(".")[2]
    return (
        "\nIf that parameter takes a dictionary, make it there, for instance\n"
        "    dropout_stats.Target(\n"
        f'        train=lambda x, rate: {function}(x, {{"mode": "train", "p": rate}}),\n'
        f'        evaluate=lambda x, rate: {function}(x, {{"mode": "test", "p": rate}}),\n'
        "    )\n"
        'and add conventions=dropout_stats.Conventions(rate_argument="keep_prob") if it takes the '
        "keep probability"
    )
