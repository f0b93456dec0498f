"""Defaults from `[tool.dropout_stats]` in pyproject.toml, for the command line and for pytest."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from dropout_stats.errors import UsageError, did_you_mean


def read_settings(folder: Path) -> dict[str, Any]:
    """Return the settings of the nearest pyproject.toml at or above a folder; {} if none.

    Raises:
        UsageError: the file is no TOML, a key is unknown, or its value makes no sense; the message
            names the file and the key.

    """
    for place in (folder, *folder.parents):
        path = place / "pyproject.toml"
        if path.is_file():
            settings = _table(path)
            for key, value in settings.items():
                _require_valid(path, key, value)
            return settings
    return {}


def merged(settings: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Settings of the file under those that were given (not None), ready for `ds.check`.

    Conventions are merged one by one. What is expected to fail is added to that of the file: a
    failure that is known does not go away because another one is named.
    """
    from dropout_stats.conventions import conventions_from
    from dropout_stats.expected import expected_from

    options = {**settings, **{key: value for key, value in given.items() if value is not None}}
    conventions = {**settings.get("conventions", {}), **(given.get("conventions") or {})}
    options["conventions"] = conventions_from(conventions)
    known = expected_from(settings.get("expected", ()))
    options["expected"] = (*known, *(given.get("expected") or ()))
    options.pop("target", None)
    return options


def _table(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from error
    for key in ("tool", "dropout_stats"):
        values = values.get(key, {})
        if not isinstance(values, dict):
            raise UsageError(f"{path}: {key} must be a table [tool.dropout_stats], got {values!r}")
    return values


def _require_valid(path: Path, key: str, value: Any) -> None:
    from dropout_stats.conventions import conventions_from
    from dropout_stats.expected import expected_from
    from dropout_stats.options import Options, valid
    from dropout_stats.values import text

    known = ("target", "law", *Options.__annotations__)
    if key not in known:
        raise UsageError(
            f"{path}: [tool.dropout_stats] has no setting {key!r}.{did_you_mean(key, known)}"
        )
    try:
        if key == "target":
            text(key, value)
        elif key == "conventions":
            conventions_from(value)
        elif key == "expected":
            valid(key, expected_from(value))
        else:
            valid(key, value)
    except UsageError as error:
        raise UsageError(f"{path}: [tool.dropout_stats] {key}: {error}") from error
