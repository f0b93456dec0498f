"""Requirements as text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from dropout_stats.specification.requirement import Requirement
from dropout_stats.zoo.specimen import Specimen, address


def renderable(requirements: Sequence[Requirement]) -> RenderableType:
    """Return whole requirements for a rich console."""
    return Group(
        *(Padding(_whole(one), (number > 0, 0, 0, 0)) for number, one in enumerate(requirements))
    )


def _whole(one: Requirement) -> RenderableType:
    title = Text.assemble((f"{one.number} {one.id}", "bold"), f"\n{one.question}\n")
    failure = Text(one.failure.text)
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 1, 0))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    table.add_row("demands", Text(one.demands))
    table.add_row("why", Text(one.why))
    table.add_row("broken by", _specimens(one))
    table.add_row("tested", Text(one.tested))
    table.add_row("resolves", Text(one.resolves))
    table.add_row("failure", Text.assemble((f"of {one.failure.specimen}\n", "dim"), failure))
    return Group(title, table)


def _specimens(one: Requirement) -> Text:
    if not one.broken_by:
        return Text(f"specimens of other requirements, such as {one.failure.specimen}")
    return Text("\n").join(_specimen(specimen) for specimen in one.broken_by)


def _specimen(specimen: Specimen) -> Text:
    threads = [Text(thread, style=f"link {address(thread)}") for thread in specimen.threads]
    said = Text(", ").join(threads) if threads else Text("made up")
    return Text.assemble((specimen.name, "bold"), f": {specimen.fault} ", said)
