"""The page of the specification says what the source says. Run this file to write it anew."""

import re
from pathlib import Path

import pytest

from dropout_stats import specification

PAGE = Path(__file__).resolve().parents[2] / "docs" / "specification.md"
MARK = "## The requirements\n\n"
FAILURE = re.compile(r"^```text\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def shown():
    return PAGE.read_text(encoding="utf-8").partition(MARK)[2]


@pytest.fixture(scope="module")
def generated():
    from dropout_stats.specification.page import page

    return page()


def without_failures(text):
    """The numbers in a failure are those of NumPy's streams, which another version may change."""
    return FAILURE.sub("", text)


def test_the_page_shows_the_requirements_of_the_source(generated):
    assert without_failures(shown()) == without_failures(generated), (
        f"out of date: run `python {Path(__file__).name}` in its folder"
    )


def test_every_failure_names_a_case_of_its_check(generated):
    for text in (shown(), generated):
        failures = FAILURE.findall(text)
        assert len(failures) == len(specification.ALL)
        for one, failure in zip(specification.ALL, failures, strict=True):
            case, _, said = failure.partition("\n")
            assert re.fullmatch(rf"(FAIL|observed by) {re.escape(one.id)}\[[-\w.]+\]", case)
            assert said.strip()


def test_only_a_recommendation_is_shown_by_what_is_merely_observed(generated):
    for one, failure in zip(specification.ALL, FAILURE.findall(generated), strict=True):
        assert failure.startswith("FAIL") == (" shall " in one.demands), one.id


def test_links_within_the_page_lead_to_headings(generated):
    headings = re.findall(r"^### (.*)$", generated, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in headings}
    links = re.findall(r"\]\(#([^)]+)\)", generated)
    assert set(links) == anchors
    assert len(links) == len(specification.ALL)


@pytest.mark.parametrize("one", specification.ALL, ids=lambda one: one.id)
def test_a_requirement_is_explained_on_a_terminal(one):
    from rich.console import Console

    from dropout_stats.specification.terminal import renderable

    console = Console(width=100, color_system=None)
    with console.capture() as capture:
        console.print(renderable([one]))
    words = " ".join(capture.get().split())
    said = [one.number, one.id, one.question, one.demands, one.why, one.tested, one.resolves]
    said += [one.failure.text.partition("\n")[0], *one.reports]
    said += [f"{specimen.name}: {specimen.fault}" for specimen in one.broken_by]
    for part in said:
        assert part in words


if __name__ == "__main__":
    from dropout_stats.specification.page import page

    before = PAGE.read_text(encoding="utf-8").partition(MARK)[0]
    PAGE.write_text(before + MARK + page(), encoding="utf-8")
