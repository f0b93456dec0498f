"""The conformance suite for dropout.

Names are loaded on first use: the pytest plugin lives in this package and is imported by every
pytest run of everybody who installed it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dropout_stats import batchnorm as batchnorm
    from dropout_stats import gap as gap
    from dropout_stats import laws as laws
    from dropout_stats import preactivation as preactivation
    from dropout_stats import readouts as readouts
    from dropout_stats import zoo as zoo
    from dropout_stats.adapters import adapt as adapt
    from dropout_stats.adapters import inside as inside
    from dropout_stats.api import assert_conforms as assert_conforms
    from dropout_stats.api import check as check
    from dropout_stats.api import plan as plan
    from dropout_stats.api import smoke as smoke
    from dropout_stats.conventions import Conventions as Conventions
    from dropout_stats.errors import DropoutStatsError as DropoutStatsError
    from dropout_stats.errors import HarnessError as HarnessError
    from dropout_stats.errors import UsageError as UsageError
    from dropout_stats.expected import Expected as Expected
    from dropout_stats.parametrize import parametrize_checks as parametrize_checks
    from dropout_stats.references import reference as reference
    from dropout_stats.report.model import Report as Report
    from dropout_stats.results import Case as Case
    from dropout_stats.results import Diagnosis as Diagnosis
    from dropout_stats.results import Evidence as Evidence
    from dropout_stats.results import Result as Result
    from dropout_stats.schedules import Schedule as Schedule
    from dropout_stats.target import Output as Output
    from dropout_stats.target import Target as Target

_HOMES = {
    "adapt": "adapters",
    "inside": "adapters",
    "assert_conforms": "api",
    "check": "api",
    "plan": "api",
    "smoke": "api",
    "Conventions": "conventions",
    "DropoutStatsError": "errors",
    "HarnessError": "errors",
    "UsageError": "errors",
    "Expected": "expected",
    "parametrize_checks": "parametrize",
    "reference": "references",
    "Report": "report.model",
    "Case": "results",
    "Diagnosis": "results",
    "Evidence": "results",
    "Result": "results",
    "Schedule": "schedules",
    "Output": "target",
    "Target": "target",
}

_MODULES = ("batchnorm", "gap", "laws", "preactivation", "readouts", "zoo")

__all__ = [
    "Case",
    "Conventions",
    "Diagnosis",
    "DropoutStatsError",
    "Evidence",
    "Expected",
    "HarnessError",
    "Output",
    "Report",
    "Result",
    "Schedule",
    "Target",
    "UsageError",
    "adapt",
    "assert_conforms",
    "batchnorm",
    "check",
    "gap",
    "inside",
    "laws",
    "parametrize_checks",
    "plan",
    "preactivation",
    "readouts",
    "reference",
    "smoke",
    "zoo",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"dropout_stats.{name}")
    if name in _HOMES:
        return getattr(importlib.import_module(f"dropout_stats.{_HOMES[name]}"), name)
    from dropout_stats.errors import did_you_mean

    raise AttributeError(
        f"module 'dropout_stats' has no attribute {name!r}.{did_you_mean(name, __all__)}"
    )


def __dir__() -> list[str]:
    return list(__all__)
