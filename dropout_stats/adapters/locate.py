"""From an import string to the object that it names."""

from __future__ import annotations

import importlib
import importlib.util
import os
import site
import sys
import sysconfig
from functools import reduce
from pathlib import Path
from types import ModuleType
from typing import Any

from dropout_stats.errors import HarnessError, did_you_mean


def locate(spec: str) -> Any:
    """Return the object named by `package.module:attribute` or `path/file.py:name`.

    Raises:
        HarnessError: with what is wrong and what to do.

    """
    place, colon, attribute = spec.rpartition(":")
    if not colon or not place or not attribute:
        raise HarnessError(
            f"{spec!r} names no target: write package.module:attribute (torch.nn:Dropout) or "
            "path/file.py:name (my_layers.py:dropout)"
        )
    found: Any = _file(Path(place)) if place.endswith(".py") else _module(place)
    for name in attribute.split("."):
        if not hasattr(found, name):
            raise HarnessError(
                f"{place} was imported, but has no attribute {name!r}."
                f"{did_you_mean(name, [n for n in dir(found) if not n.startswith('_')])}"
            )
        found = getattr(found, name)
    return found


def spec_of(found: object) -> str | None:
    """Return the import string under which another process finds this very object.

    None where it has none: it was made in the script that runs or inside a function, or its module
    lies neither here nor where packages are installed.
    """
    module, name = getattr(found, "__module__", None), getattr(found, "__qualname__", None)
    if not (isinstance(module, str) and isinstance(name, str) and module in sys.modules):
        return None
    try:
        there = reduce(getattr, name.split("."), sys.modules[module])
    except AttributeError:
        return None
    return f"{module}:{name}" if there is found and _is_importable(module) else None


def _is_importable(module: str) -> bool:
    """Whether a new process that is started here finds the module."""
    root = module.partition(".")[0]
    file = getattr(sys.modules.get(root), "__file__", None)
    if file is None:
        return False
    path = Path(file).resolve()
    path = path.parent if path.name == "__init__.py" else path
    installed = [sysconfig.get_path("stdlib"), *site.getsitepackages(), site.getusersitepackages()]
    named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    folders = [str(Path.cwd()), *installed, *filter(None, named)]
    return path.stem == root and path.parent in [Path(folder).resolve() for folder in folders]


def _module(name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or name
        if name == missing or name.startswith(f"{missing}."):
            raise HarnessError(
                f"there is no module {missing!r} to import: is its package installed in "
                f"{sys.prefix}, or are you in another directory than its file? "
                f"(pip install {missing.partition('.')[0]}, or cd to it)"
            ) from error
        raise HarnessError(
            f"importing {name!r} needs the module {missing!r}, which is not installed "
            f"(pip install {missing.partition('.')[0]})"
        ) from error
    except (Exception, SystemExit) as error:
        raise broken(name, error) from error


def _file(path: Path) -> ModuleType:
    if not path.is_file():
        raise HarnessError(f"there is no file {path} (from {Path.cwd()})")
    name = f"dropout_stats_target_{path.stem}"  # a file torch.py must not stand in for torch
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise HarnessError(f"{path} cannot be imported as a Python file")
    module = importlib.util.module_from_spec(spec)
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise broken(str(path), error) from error
    return module


def broken(name: str, error: BaseException) -> HarnessError:
    """What to say of something whose import raised."""
    return HarnessError(
        f"importing {name!r} raised {type(error).__name__}: {error}\n"
        "Repair the import first: nothing has been said about the dropout yet"
    )
