"""Which parameter selects the pass, and by which values."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints

from dropout_stats.callables import constants_of, underlying

FLAGS: dict[str, tuple[bool, bool]] = {
    **dict.fromkeys(
        ("training", "train", "is_training", "is_train", "train_flg", "train_flag", "train_mode"),
        (True, False),
    ),
    **dict.fromkeys(
        ("deterministic", "inference", "is_test", "is_eval", "evaluate", "test"), (False, True)
    ),
}
WORDED = ("mode", "phase")  # selected by a word
_TRAINING_WORDS = ("train", "training", "fit")
_EVALUATION_WORDS = (
    "test",
    "testing",
    "eval",
    "evaluate",
    "evaluation",
    "inference",
    "infer",
    "predict",
    "prediction",
    "val",
    "valid",
    "validation",
)


@dataclass(frozen=True)
class Mode:
    """What selects the pass.

    Args:
        name: the parameter (or the attribute of a layer).
        training: its value in training.
        evaluation: its value in evaluation.
        note: how that was read, for the report; None where the name leaves no doubt.
        assumed: whether the code knows only one of the two words, and the other is any other.

    """

    name: str
    training: Any
    evaluation: Any
    note: str | None = None
    assumed: bool = False


def read_mode(
    owner: str, parameters: Mapping[str, inspect.Parameter], function: Callable[..., Any]
) -> Mode | None:
    """Find the parameter that selects the pass; None where there is none that is understood.

    Args:
        owner: how reports call the function.
        parameters: its parameters.
        function: the function, whose code shows which words it knows.

    """
    flag = next((name for name in parameters if name in FLAGS), None)
    if flag:
        return Mode(flag, *FLAGS[flag])
    worded = next((name for name in WORDED if name in parameters), None)
    if worded is None:
        return None
    known = _literal(function, worded) or constants_of(function)
    return read_words(owner, worded, parameters[worded].default, known)


def read_words(owner: str, name: str, default: object, known: list[Any]) -> Mode | None:
    """Read a mode that is a word; None where the words are not those of training and evaluation.

    Args:
        owner: how reports call what has the mode.
        name: the parameter or attribute.
        default: its default; it must be one of the two words if it is a word at all.
        known: the words of its annotation, or the constants of the code.

    """
    words = [word for word in known if isinstance(word, str)]
    if isinstance(default, str):
        if default.lower() not in (*_TRAINING_WORDS, *_EVALUATION_WORDS):
            return None
        assumed = default in words  # the code compares with it: any other word is the other pass
        words = [default, *words]
    else:
        assumed = False
    training = next((word for word in words if word.lower() in _TRAINING_WORDS), None)
    evaluation = next((word for word in words if word.lower() in _EVALUATION_WORDS), None)
    if training and evaluation:
        assumed = False
    elif not assumed:
        return None
    training, evaluation = training or "train", evaluation or "test"
    note = f"{owner}: {name}={training!r} was read as training, {evaluation!r} as evaluation"
    return Mode(name, training, evaluation, note, assumed)


def not_understood(owner: str, name: str) -> str:
    """Return what a report says of a mode that could not be read."""
    return (
        f"{owner}: the evaluation pass is not judged, since its {name!r} was not understood; "
        "describe both passes with dropout_stats.Target(train=..., evaluate=...)"
    )


def _literal(function: Callable[..., Any], name: str) -> list[Any]:
    try:
        annotation = get_type_hints(underlying(function)).get(name)
    except Exception:  # noqa: BLE001 - annotations are arbitrary code of others
        return []
    return list(get_args(annotation)) if get_origin(annotation) is Literal else []
