"""The tables of specimens for the documentation."""

from __future__ import annotations

from collections.abc import Iterable

from dropout_stats import zoo
from dropout_stats.zoo.specimen import Specimen, address


def tables() -> str:
    """Return the wrong and the correct specimens as Markdown."""
    wrong = _table(
        ("specimen", "what is wrong", "killed by", "reported in"),
        ((_name(s), s.fault, s.killed_by or "", links(s)) for s in zoo.WRONG),
    )
    correct = _table(("specimen", "what is unusual"), ((_name(s), s.fault) for s in zoo.CORRECT))
    return (
        f"### {len(zoo.WRONG)} wrong ones\n\n{wrong}\n\n"
        f"### {len(zoo.CORRECT)} correct ones\n\n{correct}\n"
    )


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _name(specimen: Specimen) -> str:
    return f"`{specimen.name}`{' (naive)' if specimen.naive else ''}"


def links(specimen: Specimen) -> str:
    """Return the threads of a specimen as Markdown."""
    return ", ".join(f"[{thread}]({address(thread)})" for thread in specimen.threads) or "made up"
