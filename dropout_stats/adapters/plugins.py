"""Adapters that other packages bring: entry points of the group `dropout_stats.adapters`.

The name of an entry point is the root package of a framework; what it points to, as a rule a
module, has `adapt(target, name, *, options) -> Target`, and perhaps `prepare()`. Their names are
read when something is adapted; none is imported before it is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from dropout_stats.errors import DropoutStatsError, HarnessError
from dropout_stats.target import Target

GROUP = "dropout_stats.adapters"


@dataclass(frozen=True)
class Plugin:
    """An adapter that another package brings.

    Args:
        adapt: its `adapt`, whose errors and results are those of an adapter.
        prepare: what it does before the framework is imported.

    """

    adapt: Callable[..., Target]
    prepare: Callable[[], object]


def names() -> set[str]:
    """The root packages that other packages bring an adapter for."""
    return set(entry_points(group=GROUP).names)


def load(framework: str) -> Plugin | None:
    """Import the adapter for a root package; None where no other package brings one.

    Raises:
        HarnessError: it cannot be used; the message names the package that brings it.

    """
    found = {point.value: point for point in entry_points(group=GROUP, name=framework)}
    if not found:
        return None
    brought = [_described(point) for point in found.values()]
    if len(found) > 1:
        raise HarnessError(
            f"{len(found)} packages bring an adapter for {framework}, and nothing says which is "
            f"meant: {'; '.join(brought)}. Uninstall all but one"
        )
    return _plugin(next(iter(found.values())), brought[0])


def _plugin(point: EntryPoint, brought: str) -> Plugin:
    try:
        adapter = point.load()
    except (Exception, SystemExit) as error:
        raise _broken(brought, "cannot be imported: it raised", error) from error
    adapt = getattr(adapter, "adapt", None)
    if not callable(adapt):
        raise HarnessError(
            f"{brought} has no function adapt(target, name): repair that package, or uninstall it"
        )
    prepare = getattr(adapter, "prepare", lambda: None)
    return Plugin(_noted(_guarded(adapt, brought), brought), _guarded(prepare, brought))


def _guarded(function: Callable[..., Any], brought: str) -> Callable[..., Any]:
    """The function, whose errors name the package; this library's own pass through."""

    @wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except DropoutStatsError:
            raise
        except (Exception, SystemExit) as error:
            raise _broken(brought, "raised", error) from error

    return guarded


def _noted(adapt: Callable[..., Any], brought: str) -> Callable[..., Target]:
    @wraps(adapt)
    def adapted(*args: Any, **options: Any) -> Target:
        target = adapt(*args, **options)
        if not isinstance(target, Target):
            raise HarnessError(
                f"{brought} made a {type(target).__name__} of its target; expected a "
                "dropout_stats.Target: repair that package, or uninstall it"
            )
        return replace(target, notes=(f"adapted by {brought}", *target.notes))

    return adapted


def _described(point: EntryPoint) -> str:
    package = f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown package"
    return f"the adapter {point.value} of {package}"


def _broken(brought: str, what: str, error: BaseException) -> HarnessError:
    return HarnessError(
        f"{brought} {what} {type(error).__name__}: {error}\n"
        "So nothing was said about the dropout. Repair that package, or uninstall it"
    )
