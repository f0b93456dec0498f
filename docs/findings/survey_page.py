"""Put surveys of several environments together: survey.json, and the table of survey.md.

python docs/findings/survey_page.py ONE.json OTHER.json: files of `dropout-stats survey --json`.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from dropout_stats.options import DEFAULT_RESOLUTION
from dropout_stats.survey import Survey
from dropout_stats.survey.model import Row
from dropout_stats.survey.words import named

FOLDER = Path(__file__).parent
DATA, PAGE = FOLDER / "survey.json", FOLDER / "survey.md"
BEGIN, END = "<!-- by survey_page.py -->\n\n", "\n<!-- end -->"
TYPES = ("float32", "float16", "bfloat16", "float64")
# The package of an import string, by what people call it; the framework that Keras stands on.
NAMES = {
    "dm-haiku": "Haiku",
    "equinox": "Equinox",
    "flax": "Flax",
    "jax": "JAX",
    "keras": "Keras",
    "mlx": "MLX",
    "numpy-ml": "numpy-ml",
    "onnx": "ONNX",
    "onnxruntime": "ONNX Runtime",
    "paddlepaddle": "Paddle",
    "penzai": "Penzai",
    "tensorflow": "TensorFlow",
    "tensorflow-cpu": "TensorFlow",
    "thinc": "Thinc",
    "timm": "timm",
    "tinygrad": "tinygrad",
    "torch": "PyTorch",
    "torch-geometric": "PyG",
    "torchvision": "torchvision",
    "transformers": "Transformers",
}
CELLS = {None: "", "fail": "**fail**", "inconclusive": "undecided", "expected-failure": "expected"}


def framework(row: Row) -> str:
    """What was judged, with its version; of Keras also what it stands on."""
    known = ((name.lower().replace("_", "-"), number) for name, number in row.versions.items())
    packages = [(NAMES[name], number.partition("+")[0]) for name, number in known if name in NAMES]
    (first, version), others = packages[0], packages[1:]
    on = f" on {others[0][0]}" if first == "Keras" and others else ""
    return f"{first} {version}{on}"


def not_passed(row: Row, dtype: str) -> list[str]:
    """Checks that failed in one type, as expected or not, and then those without an answer."""
    results = row.report.results if row.report else ()
    left = [one for one in results if one.case.dtype == dtype]
    left = [one for one in left if one.verdict not in ("pass", "not-applicable")]
    left.sort(key=lambda one: one.verdict == "inconclusive")
    return list(dict.fromkeys(one.check for one in left))


def rows_of(survey: Survey) -> Iterator[dict[str, Any]]:
    """What the table says of each target that was judged."""
    for row in survey.judged:
        verdicts = {dtype: row.cell(dtype).verdict for dtype in TYPES}
        yield {
            "framework": framework(row),
            "target": row.target,
            "versions": dict(row.versions),
            "resolution": survey.resolution,
            "seed": survey.seed,
            "error": row.error,
            "verdict": row.verdict,
            "types": {
                dtype: {"verdict": verdict, "checks": not_passed(row, dtype)}
                for dtype, verdict in verdicts.items()
                if verdict
            },
        }


def table(rows: Iterable[dict[str, Any]]) -> str:
    """The rows, as the page has them."""
    heads = ("framework", "target", *TYPES, "what did not pass")
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    before = ""
    for row in rows:
        coarse = " (coarse)" if row["resolution"] > DEFAULT_RESOLUTION else ""
        label = row["framework"] + coarse
        cells = [row["types"].get(dtype, {"verdict": None, "checks": []}) for dtype in TYPES]
        checks = tuple(dict.fromkeys(check for cell in cells for check in cell["checks"]))
        words = [CELLS.get(cell["verdict"], cell["verdict"]) for cell in cells]
        said = row["error"] or ", ".join(f"`{c}`" if "." in c else c for c in _split(checks))
        shown = "" if label == before else label
        target = f"`{row['target']}`"
        lines.append(f"| {' | '.join([shown, target, *words, said])} |")
        before = label
    return "\n".join(lines)


def _split(checks: tuple[str, ...]) -> list[str]:
    return named(checks).split(", ") if checks else []


def write(files: Iterable[str]) -> None:
    """Write both."""
    surveys = [Survey.from_json(Path(file).read_text(encoding="utf-8")) for file in files]
    rows = [row for survey in surveys for row in rows_of(survey)]
    DATA.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(before + BEGIN + table(rows) + "\n" + END + after, encoding="utf-8")


if __name__ == "__main__":
    write(sys.argv[1:])
