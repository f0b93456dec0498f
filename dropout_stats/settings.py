"""Defaults from `[tool.dropout_stats]` in pyproject.toml, for the command line and for pytest."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from dropout_stats.errors import UsageError, did_you_mean

KEYS = (
    "target",
    "law",
    "rates",
    "dtypes",
    "checks",
    "skip",
    "false_alarm",
    "power",
    "resolution",
    "max_seconds",
    "seed",
    "conventions",
)


def read_settings(folder: Path) -> dict[str, Any]:
    """Return the settings of the nearest pyproject.toml at or above a folder; {} if none.

    Raises:
        UsageError: the file is no TOML, or a key is unknown.

    """
    for place in (folder, *folder.parents):
        path = place / "pyproject.toml"
        if path.is_file():
            return _read(path)
    return {}


def _read(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from error
    settings = values.get("tool", {}).get("dropout_stats", {})
    for key in settings:
        if key not in KEYS:
            raise UsageError(
                f"{path}: [tool.dropout_stats] has no setting {key!r}.{did_you_mean(key, KEYS)}"
            )
    return dict(settings)


def merged(settings: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Settings of the file under those that were given (not None), ready for `ds.check`."""
    from dropout_stats.conventions import conventions_from

    options = {**settings, **{key: value for key, value in given.items() if value is not None}}
    options.pop("target", None)
    if isinstance(options.get("conventions"), dict):
        options["conventions"] = conventions_from(options["conventions"])
    return options
