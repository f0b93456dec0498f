"""The requirements for the documentation, as Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from itertools import groupby

from dropout_stats.specification import ALL
from dropout_stats.specification.requirement import Requirement
from dropout_stats.zoo.page import links

_WIDTH = 110


def page() -> str:
    """Return a table of all requirements, and each of them as a whole."""
    return "\n\n".join([_contents(), *_sections()]) + "\n"


def _contents() -> str:
    rows = [f"| [{one.number}](#{_anchor(one)}) | `{one.id}` | {one.question} |" for one in ALL]
    return "\n".join(["| number | check | question |", "| --- | --- | --- |", *rows])


def _sections() -> Iterator[str]:
    for family, members in groupby(ALL, key=lambda one: one.family):
        yield f"## {family.number}. {family.title}"
        yield from map(_whole, members)


def _whole(one: Requirement) -> str:
    return "\n\n".join(
        (
            f"### {_title(one)}",
            one.question,
            f"**Demands.** {one.demands}",
            f"**Why.** {one.why}",
            f"**Broken by** {_specimens(one)}",
            f"**Tested.** {one.tested}",
            f"**Resolves.** {one.resolves}",
            f"**Failure** of `{one.failure.specimen}`:",
            _block(one.failure.text),
        )
    )


def _title(one: Requirement) -> str:
    return f"{one.number} {one.id}"


def _anchor(one: Requirement) -> str:
    """The anchor that a heading gets: its dots are left out."""
    return _title(one).lower().replace(".", "").replace(" ", "-")


def _specimens(one: Requirement) -> str:
    if not one.broken_by:
        return f"specimens of other requirements, such as `{one.failure.specimen}`."
    lines = [f"- `{s.name}`: {s.fault} {links(s)}" for s in one.broken_by]
    return "\n".join(["these specimens:\n", *lines])


def _block(text: str) -> str:
    case, *message = text.splitlines()
    indented = (
        textwrap.fill(
            line, _WIDTH, initial_indent="  ", subsequent_indent="  ", break_long_words=False
        )
        for line in message
    )
    return "\n".join(["```text", case, *indented, "```"])
