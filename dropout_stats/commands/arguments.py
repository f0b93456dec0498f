"""What the commands share: lists, pairs and files as arguments."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import click


class _List(click.ParamType[tuple[Any, ...]]):
    """Comma-separated values of one type."""

    name = "a,b"

    def __init__(self, of: Callable[[str], Any]) -> None:
        self._of = of

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Any, ...]:
        if not isinstance(value, str):
            return tuple(value)
        try:
            return tuple(self._of(part.strip()) for part in value.split(",") if part.strip())
        except ValueError:
            self.fail(
                f"expected comma-separated {self._of.__name__} values, got {value!r}", param, ctx
            )


def listed(
    name: str, of: Callable[[str], Any], *, to: str | None = None, **how: Any
) -> Callable[..., Any]:
    """An option that takes a list; given more than once, it takes all of them."""

    def joined(
        _context: click.Context, _option: click.Parameter, lists: tuple[tuple[Any, ...], ...]
    ) -> tuple[Any, ...] | None:
        return tuple(chain.from_iterable(lists)) if lists else None

    names = (name, to) if to else (name,)
    return click.option(*names, type=_List(of), multiple=True, callback=joined, **how)


def shape(text: str) -> tuple[int, ...]:
    """Read a shape such as 16x1024; () is that of a single number."""
    return () if text == "()" else tuple(int(length) for length in text.split("x"))


def pair(option: str, text: str, form: str = "KEY=VALUE") -> tuple[str, str]:
    """Both sides of a word such as KEY=VALUE."""
    key, equals, value = text.partition("=")
    if not equals:
        raise click.BadParameter(f"expected {form}, got {text!r}", param_hint=option)
    return key, value


def require_folders(*files: str | None) -> None:
    """Refuse files whose folder is not there before anything is run."""
    for path in files:
        if path and not Path(path).resolve().parent.is_dir():
            raise click.BadParameter(f"there is no folder to write {path} into")
