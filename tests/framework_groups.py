"""Tests that need a framework, and the environments of .ci/run in which each of them runs.

A test names its frameworks: `@pytest.mark.framework("jax")`. It belongs to the one group that has
them all; one that belongs to none stops every run, since nothing would ever run it. With
DROPOUT_STATS_GROUP=jax only the tests of that group run, and a skip fails. Without it a framework
that is not installed skips its tests.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Sequence
from functools import cache

import pytest

GROUPS = {
    "light": ("mlx", "numpy_ml", "onnx", "onnxruntime", "thinc", "tinygrad"),
    "jax": ("equinox", "flax", "haiku", "jax", "penzai"),
    "torch": ("keras", "torch", "torch_geometric", "transformers"),
    "vision": ("timm", "torchvision"),
    "tensorflow": ("tensorflow",),
    "paddle": ("paddle",),
}


def group_of(frameworks: Sequence[str]) -> str:
    """Return the group that has these frameworks."""
    for group, there in GROUPS.items():
        if set(frameworks) <= set(there):
            return group
    raise pytest.UsageError(
        f"no group of tests/framework_groups.py has {' and '.join(frameworks)}: .ci/run would "
        "never run a test of theirs"
    )


def group_of_this_run() -> str | None:
    group = os.environ.get("DROPOUT_STATS_GROUP")
    if group and group not in GROUPS:
        raise pytest.UsageError(f"DROPOUT_STATS_GROUP={group}: expected one of {', '.join(GROUPS)}")
    return group


def frameworks_of(item: pytest.Item) -> tuple[str, ...]:
    return tuple(name for mark in item.iter_markers("framework") for name in mark.args)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    groups = [
        group_of(frameworks) if (frameworks := frameworks_of(item)) else None for item in items
    ]
    asked = group_of_this_run()
    if asked:
        left = [item for item, group in zip(items, groups, strict=True) if group != asked]
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item, group in zip(items, groups, strict=True) if group == asked]


def pytest_runtest_setup(item: pytest.Item) -> None:
    for name in frameworks_of(item):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
        if name in ("timm", "torchvision"):
            import_torchvision()


@cache
def import_torchvision() -> None:
    """Import it although its compiled part may fit another build of PyTorch.

    The dropouts do not use that part; without it the import stops at each operator that it lacks.
    """
    import torch

    while True:
        try:
            importlib.import_module("torchvision")
        except RuntimeError as error:
            lacks = re.search(r"operator (torchvision::\w+) does not exist", str(error))
            if lacks is None:
                raise
            torch.library.define(lacks[1], "() -> ()")
        else:
            return


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and group_of_this_run():
        report.outcome = "failed"
        report.longrepr = f"skipped, where nothing may be: {call.excinfo and call.excinfo.value}"
    return report
