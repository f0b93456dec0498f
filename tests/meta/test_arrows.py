"""The direction of the imports: who may know whom. The picture is in docs/architecture.md."""

import ast
from pathlib import Path

import dropout_stats
from dropout_stats import adapters

PACKAGE = Path(dropout_stats.__file__).parent

# Each room, and the rooms that it may import from.
LEAVES = {"errors", "dtypes"}
MAY_IMPORT = {
    "errors": set(),
    "dtypes": {"errors"},
    "evidence": set(),
    "laws": {"values", *LEAVES},
    "values": {"errors"},
    "conventions": {"values", *LEAVES},
    "callables": set(),
    "modes": {"callables"},
    "signatures": {"callables", "modes", "conventions", "errors"},
    "layers": {"callables", "modes", "signatures", "errors"},
    "target": {"laws", "conventions", "callables", "layers", "modes", "errors"},
    "references": {"laws", "conventions", "target", "dtypes"},
    "inputs": {"laws", "dtypes"},
    "call": {"target", "conventions", "laws", "inputs", "errors"},
    "adapters": {
        "batchnorm",
        "target",
        "laws",
        "conventions",
        "callables",
        "modes",
        "signatures",
        "layers",
        *LEAVES,
    },
    "results": set(),
    "expected": {"results", "values", *LEAVES},
    "settling": {"expected", "results"},
    "checks": {"laws", "evidence", "gap", "call", "conventions", "inputs", "results", *LEAVES},
    "streams": {
        "dtypes",
        "checks",
        "evidence",
        "laws",
        "conventions",
        "options",
        "results",
        "target",
        "errors",
    },
    "sampler": {"streams", "checks", "call", "laws", "results", "errors"},
    "options": {"checks", "conventions", "expected", "laws", "results", "values", *LEAVES},
    # report only to render `str(plan)`; report knows a plan as a type alone
    "planning": {
        "checks",
        "conventions",
        "dtypes",
        "errors",
        "evidence",
        "expected",
        "laws",
        "streams",
        "options",
        "report",
        "results",
        "target",
    },
    "reproduce": {"conventions", "laws", "planning", "results"},
    "run": {
        "planning",
        "sampler",
        "streams",
        "reproduce",
        "checks",
        "call",
        "target",
        "laws",
        "results",
        "errors",
    },
    "selftest": {"call", "callables", "inputs", "laws", "planning", "target", *LEAVES},
    "diagnose": {"laws", "results", "dtypes"},
    "report": {"results", "errors"},
    "api": {
        "adapters",
        "call",
        "diagnose",
        "errors",
        "inputs",
        "laws",
        "options",
        "planning",
        "report",
        "reproduce",
        "results",
        "run",
        "selftest",
        "settling",
        "target",
        "through",
    },
    "readouts": {"callables", "conventions", "dtypes", "errors", "laws", "target", "values"},
    "through": {"conventions", "laws", "target"},
    "batchnorm": {"errors", "laws", "values"},
    "preactivation": {"errors", "evidence", "laws", "results", "values"},
    "gap": {"errors", "values"},
    "schedules": {"conventions", "errors", "laws", "target", "values"},
    "settings": {"conventions", "expected", "options", "values", "errors"},
    "parametrize": {"api", "laws", "options", "planning", "report", "results", "settling"},
    "pytest_plugin": {"parametrize", "settings", "errors"},
    "zoo": {
        "api",
        "checks",
        "conventions",
        "laws",
        "options",
        "readouts",
        "report",
        "results",
        "schedules",
        "target",
        "errors",
    },
    "specification": {"api", "checks", "errors", "laws", "references", "zoo"},
    "survey": {
        "adapters",
        "api",
        "dtypes",
        "errors",
        "evidence",
        "expected",
        "options",
        "report",
        "results",
        "target",
        "values",
    },
    "commands": {
        "adapters",
        "api",
        "conventions",
        "errors",
        "expected",
        "gap",
        "laws",
        "options",
        "references",
        "report",
        "settings",
        "survey",
        "zoo",
    },
    "cli": {"commands", "errors", "report", "specification"},
    "__main__": {"cli"},
}
FRAMEWORKS = {*adapters.FRAMEWORKS, "keras"}


def room(module):
    return module.split(".")[1] if "." in module else ""


def at_runtime(tree):
    """All nodes but those under `if TYPE_CHECKING`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        yield node
        yield from at_runtime(node)


def imports(path):
    for node in at_runtime(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "dropout_stats":
                yield from (f"dropout_stats.{alias.name}" for alias in node.names)
            else:
                yield node.module


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        yield path, parts[0]


def crossings():
    for path, here in modules():
        for name in imports(path):
            if name.startswith("dropout_stats.") and room(name) != here:
                yield path, here, room(name)


def test_every_room_is_on_the_picture():
    rooms = {here for _, here in modules()} - {"__init__"}
    assert rooms == set(MAY_IMPORT)


def test_no_import_goes_against_the_arrows():
    bad = [
        f"{path.relative_to(PACKAGE)} imports {there}"
        for path, here, there in crossings()
        if here != "__init__" and there not in MAY_IMPORT[here]
    ]
    assert not bad


def test_the_picture_has_no_circle():
    order = []
    left = {room: set(known) for room, known in MAY_IMPORT.items()}
    while left:
        free = [room for room, known in left.items() if not known - set(order)]
        assert free, f"circle among {sorted(left)}"
        order += free
        for room in free:
            del left[room]


def test_evidence_does_not_know_the_word_dropout():
    for path in (PACKAGE / "evidence").glob("*.py"):
        words = path.read_text().replace("dropout_stats", "").lower()
        for word in ("dropout", "mask", "keep_prob", "kept", "drop rate"):
            assert word not in words, f"{path.name} says {word!r}"


def test_no_check_names_a_framework():
    for path, here in modules():
        if here in ("checks", "laws", "evidence", "run", "planning", "streams", "sampler", "call"):
            found = FRAMEWORKS & {name.partition(".")[0] for name in imports(path)}
            assert not found, f"{path.name} imports {found}"
            text = path.read_text().lower()
            assert not [name for name in FRAMEWORKS if name in text], path.name


def test_frameworks_are_imported_only_by_their_adapters():
    for path, here in modules():
        found = FRAMEWORKS & {name.partition(".")[0] for name in imports(path)}
        assert not found or here == "adapters", f"{path.name} imports {found}"
