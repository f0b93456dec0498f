"""What the tests share."""

import importlib.util
import os

import pytest

pytest_plugins = ["pytester"]

# In .ci/run's second environment a missing framework is a failure, not a skip.
REQUIRED = os.environ.get("DROPOUT_STATS_FRAMEWORKS") == "required"


def pytest_runtest_setup(item):
    for mark in item.iter_markers("framework"):
        for name in mark.args:
            if importlib.util.find_spec(name) is None:
                if REQUIRED:
                    pytest.fail(f"{name} is not installed, but every framework is required here")
                pytest.skip(f"{name} is not installed")
