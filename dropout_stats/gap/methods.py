"""The methods as a table, and the choice between them.

A method says whether it applies, and gives an interval. The choice goes down the table: the first
interval that is as narrow as the tolerance is taken, or else the narrowest of all. What proves
nothing is tried only where nothing else applies.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from dropout_stats.errors import UsageError
from dropout_stats.gap import (
    closed_form,
    contour,
    convex_order,
    enumeration,
    fourier,
    lattice,
    meeting,
    monte_carlo,
    smoothing,
)
from dropout_stats.gap.activations import Activation
from dropout_stats.gap.result import Gap
from dropout_stats.gap.rounding import SLACK, Interval
from dropout_stats.gap.unit import Layer, Unit
from dropout_stats.values import word_or_none

_FEW = 2.0**10  # masks: enumerated rather than anything else
_MANY = 2.0**20  # masks of an unknown f, which nothing else certifies
_HALVED = 2.0**44  # masks that meeting in the middle takes by itself
_PATIENT = 2.0**48  # and where it is asked for
_LATTICE = 5e7
_CLOSED = {
    "identity": closed_form.identity,
    "square": closed_form.square,
    "exp": closed_form.exponential,
}


@dataclass(frozen=True, eq=False)
class Problem:
    """What is to be found: E f(z), or the gap where `subtract`, to a tolerance."""

    f: Activation
    layer: Layer
    tolerance: float
    subtract: bool

    @cached_property
    def unit(self) -> Unit:
        """The unit in the form that the methods work on."""
        return self.layer.unit()

    @cached_property
    def lattice(self) -> lattice.Lattice | None:
        """The lattice of integer weights, if there is one."""
        return lattice.lattice_of(self.layer)

    @property
    def overflows(self) -> bool:
        """Whether f at some sum is no double; only exp can be."""
        return self.f.name == "exp" and abs(self.unit.mean) + self.unit.reach > 700

    def from_gap(self, found: Interval) -> Interval:
        """The answer, from the gap of the unit that the methods work on.

        Whatever was found, |gap| <= Lip(f) E|z - E z|: useful where the weights are enormous.
        """
        known = Interval(found.value, found.halfwidth + self._input_error)
        most = self.f.lipschitz * (self.unit.deviation + self.unit.rest) * SLACK
        if not known.halfwidth <= most:
            known = Interval(0.0, most)
        return known if self.subtract else known.plus(self.unit.at_mean(self.f))

    def from_expectation(self, found: Interval) -> Interval:
        """The answer, from E f(z) of the unit that was given."""
        return found.minus(self.unit.at_mean(self.f)) if self.subtract else found

    @property
    def _input_error(self) -> float:
        return self.unit.input_error(self.f, subtract=True)


@dataclass(frozen=True)
class Method:
    """One way to the answer.

    Args:
        name: as `method=` and `Gap.method` have it.
        suits: the cases it can be asked for.
        chosen: the cases in which it is tried without being asked for.
        solve: the interval.
        certifies: whether that interval is proved for this problem.

    """

    name: str
    suits: Callable[[Problem], bool]
    chosen: Callable[[Problem], bool]
    solve: Callable[[Problem], Interval]
    certifies: Callable[[Problem], bool] = lambda _: True


def _closed(problem: Problem) -> Interval:
    return _CLOSED[problem.f.name](problem.unit, subtract=problem.subtract)


def _enumerated(problem: Problem) -> Interval:
    return problem.from_expectation(enumeration.expectation(problem.unit, problem.f))


def _few(problem: Problem) -> bool:
    return problem.unit.states <= (_FEW if problem.f.known else _MANY)


def _met(problem: Problem) -> Interval:
    assert problem.f.pieces is not None  # noqa: S101 - the table has asked
    return problem.from_expectation(meeting.expectation(problem.unit, problem.f, problem.f.pieces))


def _meets(problem: Problem, most: float) -> bool:
    pieces, unit = problem.f.pieces, problem.unit
    return pieces is not None and unit.states <= most and meeting.has_room(unit, pieces)


def _fourier(problem: Problem) -> Interval:
    assert problem.f.kernel is not None  # noqa: S101 - the table has asked
    return problem.from_gap(fourier.smooth_gap(problem.unit, problem.f.kernel, problem.tolerance))


def _contour(problem: Problem) -> Interval:
    assert problem.f.laplace is not None  # noqa: S101 - the table has asked
    found = contour.gap(problem.unit, problem.f.laplace)
    return found if problem.subtract else found.plus(problem.unit.at_mean(problem.f))


def _has_lines(problem: Problem) -> bool:
    return problem.f.laplace is not None and contour.applies(problem.unit, problem.f.laplace)


def _saturates(problem: Problem) -> bool:
    return abs(problem.unit.mean) > 4 + 4 * problem.unit.deviation


def _smoothed(problem: Problem) -> Interval:
    assert problem.f.pieces is not None  # noqa: S101 - the table has asked
    found = smoothing.expectation(problem.unit, problem.f.pieces, problem.tolerance)
    error = problem.unit.input_error(problem.f, subtract=False)
    return problem.from_expectation(Interval(found.value, found.halfwidth + error))


def _latticed(problem: Problem) -> Interval:
    found = lattice.gap(problem.layer, problem.unit, problem.f)
    return found if problem.subtract else found.plus(problem.unit.at_mean(problem.f))


def _on_lattice(problem: Problem, most: float = math.inf) -> bool:
    if not problem.f.known or not math.isfinite(problem.f.lipschitz) or problem.lattice is None:
        return False
    return problem.lattice.points < 1 << 20 and lattice.work(problem.lattice) <= most


def _ordered(problem: Problem) -> Interval:
    found = convex_order.gap(problem.unit, problem.f)
    return found if problem.subtract else found.plus(problem.unit.at_mean(problem.f))


def _convex(problem: Problem) -> bool:
    return not problem.overflows if problem.f.convex else not problem.f.known


def _sampled(problem: Problem) -> Interval:
    return problem.from_expectation(
        monte_carlo.expectation(problem.unit, problem.f, problem.tolerance)
    )


def _moderate(problem: Problem) -> bool:
    """Whether squares of f and fourth powers of z are doubles."""
    most = 300 if problem.f.name == "exp" else 1e75
    return abs(problem.unit.mean) + problem.unit.reach < most


def _never(_problem: Problem) -> bool:
    return False


METHODS = (
    Method("closed-form", lambda p: p.f.name in _CLOSED, lambda _: True, _closed),
    Method(
        "enumeration", lambda p: p.unit.states <= 2.0**30 and not p.overflows, _few, _enumerated
    ),
    Method("fourier", lambda p: p.f.kernel is not None, lambda _: True, _fourier),
    Method("contour", _has_lines, _saturates, _contour),
    Method("lattice", _on_lattice, lambda p: _on_lattice(p, _LATTICE), _latticed),
    Method(
        "meet-in-the-middle",
        lambda p: _meets(p, _PATIENT),
        lambda p: _meets(p, _HALVED),
        _met,
    ),
    Method("smoothing", lambda p: p.f.pieces is not None, lambda _: True, _smoothed),
    Method("convex-order", _convex, _never, _ordered, lambda p: p.f.known),
    Method("monte-carlo", _moderate, lambda p: not p.f.known, _sampled, lambda _: False),
)
_BY_NAME = {method.name: method for method in METHODS}


def method_of(name: object) -> Method | None:
    """The method of this name; None for None, which leaves the choice to `solve`."""
    known = word_or_none("method", name, _BY_NAME)
    return _BY_NAME[known] if known else None


def solve(problem: Problem, forced: Method | None) -> Gap:
    """Answer with the method that is forced, or with the first that is good enough."""
    if forced is not None:
        _require_suitable(problem, forced)
        return _answer(problem, forced)
    best = None
    for method in METHODS:
        if not method.suits(problem) or not method.chosen(problem):
            continue
        if best is not None and not method.certifies(problem):
            break
        found = _answer(problem, method)
        if best is None or found.halfwidth < best.halfwidth:
            best = found
        if best.halfwidth <= problem.tolerance:
            break
    if best is None:  # an f of the user's own that no double can hold the squares of
        raise UsageError(
            f"no method takes f={problem.f.name!r} with {problem.unit.number} inputs this large"
        )
    return best


def _answer(problem: Problem, method: Method) -> Gap:
    found = _within_range(problem, method.solve(problem))
    return Gap(found.value, found.halfwidth, method.name, method.certifies(problem))


def _within_range(problem: Problem, found: Interval) -> Interval:
    """What was found, or what the range of f says by itself where weights are enormous."""
    low, high = problem.f.range
    if found.halfwidth <= (high - low) / (1 if problem.subtract else 2):
        return found
    if problem.subtract:
        return Interval(0.0, high - low)
    return Interval((low + high) / 2, (high - low) / 2)


def _require_suitable(problem: Problem, method: Method) -> None:
    if not method.suits(problem):
        suitable = ", ".join(repr(other.name) for other in METHODS if other.suits(problem))
        raise UsageError(
            f"method {method.name!r} does not apply to f={problem.f.name!r} with "
            f"{problem.unit.number} inputs; these do: {suitable}"
        )
