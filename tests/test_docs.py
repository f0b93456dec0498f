"""Every example of the documentation runs, and shows what it really shows.

A document is a small session in a directory of its own, from top to bottom:

* a block with `title="name"` is written to a file of that name, test files are then run by pytest;
* any other `python` block is executed, all of a document in one namespace;
* in a `console` block each line `$ command` is run; `# exit 1` says how it ends (0 by default), and
  the lines below it must occur in what it prints, in this order. `...` stands for anything.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
PROGRAMS = ("dropout-stats", "pytest")
_BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")


class Block(NamedTuple):
    """One fenced block of a document."""

    language: str
    title: str
    text: str
    line: int


def blocks(path: Path) -> Iterator[Block]:
    document = path.read_text(encoding="utf-8")
    for found in _BLOCK.finditer(document):
        line = document.count("\n", 0, found.start(3))
        yield Block(found[1], found[2] or "", found[3], line)


def run(words: list[str]) -> tuple[int, str]:
    """Run a program of this Python; its exit status and what it printed."""
    scripts = str(Path(sys.executable).parent)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "COV_"))}
    environment |= {
        "PATH": os.pathsep.join((scripts, environment.get("PATH", ""))),
        "PYTEST_ADDOPTS": "-p no:cacheprovider -p no:xdist -p no:hypothesispytest",
        "OPENBLAS_NUM_THREADS": "1",  # other tests may run beside this one
        "COLUMNS": "100",
        "NO_COLOR": "1",
    }
    done = subprocess.run(  # noqa: S603 - the commands are those of our own documentation
        words, capture_output=True, text=True, timeout=120, check=False, env=environment
    )
    return done.returncode, done.stdout + done.stderr


def missing(shown: list[str], printed: str) -> str | None:
    """The first part of the lines shown that is not printed behind those before it.

    However they are wrapped. Each part is looked for at its first place, so that a part that is
    missing is found in one pass, where one expression for all would try every combination.
    """
    at = 0
    for part in " ".join(shown).split("..."):
        found = re.compile(r"\s+".join(map(re.escape, part.split()))).search(printed, at)
        if not found:
            return part.strip()
        at = found.end()
    return None


def check_console(block: Block) -> None:
    session = re.split(r"^\$ ", block.text, flags=re.MULTILINE)
    assert not session[0].strip(), "a console block begins with a command"
    for entry in session[1:]:
        command, *shown = entry.splitlines()
        words = shlex.split(command, comments=True)
        assert words[0] in PROGRAMS, f"this test does not run {words[0]}"
        declared = re.search(r"# exit (\d)", command)
        status, printed = run(words)
        assert status == int(declared[1] if declared else 0), f"{command}\n{printed}"
        absent = missing(shown, printed)
        assert absent is None, f"{command}\nshows, and does not print:\n{absent}\nin:\n{printed}"


def write(block: Block, folder: Path) -> None:
    (folder / block.title).write_text(block.text, encoding="utf-8")
    sys.modules.pop(Path(block.title).stem, None)
    if block.title.startswith("test_"):
        status, printed = run(["pytest", "-q", block.title])
        assert status == 0, printed


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_example_of_a_document_runs(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    namespace = {"__name__": "documentation"}
    for block in blocks(path):
        if block.title:
            write(block, tmp_path)
        elif block.language == "python":
            # Lines are counted as in the document, so that a traceback points there.
            exec(compile("\n" * block.line + block.text, str(path), "exec"), namespace)  # noqa: S102
        elif block.language == "console":
            check_console(block)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_inside_the_repository_leads_somewhere(path):
    for link in _LINK.findall(path.read_text(encoding="utf-8")):
        assert (path.parent / link).exists(), f"{path.relative_to(ROOT)} links to {link}"


def test_the_two_commands_of_the_readme_are_the_ones_that_are_promised():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for command in (
        "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/dropout-stats check",
        ".venv/bin/pip install -e '.[test]' && .venv/bin/pytest",
    ):
        assert f"\n{command}\n" in readme


def test_every_check_that_a_document_names_exists():
    from dropout_stats.checks import by_id

    families = "|".join(sorted({name.partition(".")[0] for name in by_id}))
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        for name in re.findall(rf"`((?:{families})\.[a-z_]+)`", text):
            assert name in by_id, f"{path.relative_to(ROOT)} names {name}"
