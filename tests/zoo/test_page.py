"""The page of the zoo shows the specimens that there are. Run this file to write them into it."""

from pathlib import Path

from dropout_stats.zoo.page import tables

PAGE = Path(__file__).resolve().parents[2] / "docs" / "zoo.md"
MARK = "## The specimens\n\n"


def test_the_page_shows_the_specimens_of_the_source():
    shown = PAGE.read_text(encoding="utf-8").partition(MARK)[2]
    assert shown == tables(), f"out of date: run `python {Path(__file__).name}` in its folder"


if __name__ == "__main__":
    before = PAGE.read_text(encoding="utf-8").partition(MARK)[0]
    PAGE.write_text(before + MARK + tables(), encoding="utf-8")
