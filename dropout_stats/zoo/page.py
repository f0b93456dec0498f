"""The tables of specimens for the documentation."""

from __future__ import annotations

from collections.abc import Iterable

from dropout_stats import zoo
from dropout_stats.zoo.specimen import Specimen


def tables() -> str:
    """Return the wrong and the correct specimens as Markdown."""
    wrong = _table(
        ("specimen", "what is wrong", "killed by", "reported in"),
        ((_name(s), s.fault, s.killed_by or "", _threads(s)) for s in zoo.WRONG),
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


def _threads(specimen: Specimen) -> str:
    return ", ".join(map(_link, specimen.threads)) or "made up"


def _link(thread: str) -> str:
    repository, _, number = thread.partition("#")
    return f"[{thread}](https://github.com/{repository}/issues/{number})"
