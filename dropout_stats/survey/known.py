"""The failures that are known of each target: a file of their own, since each has its targets.

docs/findings/known_failures.toml is such a file.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dropout_stats.errors import UsageError, did_you_mean
from dropout_stats.expected import Expected, expected_from
from dropout_stats.results import Case
from dropout_stats.survey.targets import Surveyed
from dropout_stats.values import listed, number, require, text

_KEYS = (
    *("target", "options", "version", "framework", "dtypes", "rates", "expected"),
    *("resolution", "environment"),
)


@dataclass(frozen=True)
class Known:
    """What is known to fail of one target.

    Args:
        target: its import string.
        options: those of its adapter.
        expected: the failures.
        resolution: the coarsest, in standard deviations of a unit, at which they show; None: any.
        environment: the variables that make it so, with their values.

    """

    target: str
    options: Mapping[str, Any]
    expected: tuple[Expected, ...]
    resolution: float | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    def is_of(self, target: Surveyed, resolution: float) -> bool:
        """Whether a run of this target, at this resolution and in this process, meets them."""
        return (
            self.target == target.spec
            and self.options == target.options
            and (self.resolution is None or resolution <= self.resolution)
            and all(os.environ.get(name) == value for name, value in self.environment.items())
        )


def read_known(path: Path) -> tuple[Known, ...]:
    """Read a file of tables `[[known]]` with `target`, perhaps `options`, and `[[known.expected]]`.

    Raises:
        UsageError: it is no such file; the message names it and what is wrong.

    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        return listed("known", values.get("known"), _known, "tables [[known]]")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from error
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def of_target(
    known: tuple[Known, ...], target: Surveyed, resolution: float
) -> tuple[Expected, ...]:
    """What is known of a target that has these options, as far as a run resolves it."""
    there = [one for one in known if one.is_of(target, resolution)]
    return tuple(expected for one in there for expected in one.expected)


def planned(expected: tuple[Expected, ...], cases: tuple[Case, ...]) -> tuple[Expected, ...]:
    """Those that a run meets at all: it may leave out the type or the rate of another."""
    return tuple(one for one in expected if any(one.matches(case) for case in cases))


def _known(name: str, values: object) -> Known:
    require(isinstance(values, Mapping), name, values, "a table with the keys target and expected")
    given: dict[str, Any] = dict(values)  # type: ignore[call-overload]  # a Mapping
    for key in given:
        if key not in _KEYS:
            raise UsageError(f"unknown key {key!r} in {given!r}.{did_you_mean(key, _KEYS)}")
    target = text(f"{name}: target", given.get("target"))
    resolution = given.get("resolution")
    if resolution is not None:
        resolution = number(f"{name}: resolution", resolution)
    environment = given.get("environment", {})
    expected = "a table of variables such as { KERAS_BACKEND = 'tensorflow' }"
    require(isinstance(environment, Mapping), f"{name}: environment", environment, expected)
    return Known(
        target,
        given.get("options", {}),
        expected_from(given.get("expected")),
        resolution,
        environment,
    )
