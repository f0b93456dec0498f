"""Does every single call obey the law, whatever its shape, layout, values and rate?

Calls are generated, and each is held to what holds for every conforming call, exactly: shape, type,
input unchanged, every output 0 or the kept value of the input at its own place, and the same for
the evaluation pass and the gradient. A failure is reported by the smallest call that shows it.

What a target does not declare is not held against it: 0-d and empty inputs, layouts and values
that it refuses aloud, and what a dropped NaN becomes are observations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np

from dropout_stats.checks import nonfinite, pointwise, spaces
from dropout_stats.checks.bench import Bench
from dropout_stats.checks.check import Probe
from dropout_stats.checks.complaint import Complaint, complaint_of
from dropout_stats.checks.differentiation import gradient_slack, gradient_tolerance
from dropout_stats.checks.pointwise import Outputs
from dropout_stats.checks.search import smallest
from dropout_stats.checks.single import C_ORDER, PLAIN, Call, Made, make
from dropout_stats.conventions import Conventions
from dropout_stats.errors import TargetError
from dropout_stats.laws.reading import Array
from dropout_stats.results import Case, Finding, Symptom

_TRIES = 3  # passes of one call: with one, many of the tiny calls drop nothing or keep nothing


@dataclass(frozen=True)
class _Handed:
    """A call, its input as it is handed over, and what the input was beforehand.

    The input serves every pass of the call: the first pass that changes it ends them.
    """

    call: Call
    made: Made
    values: Array
    memory: bytes

    @classmethod
    def of(cls, bench: Bench, call: Call) -> _Handed:
        made = make(call, bench.seed)
        return cls(call, made, made.x.copy(), made.memory.tobytes())


# What is asked of one call: None, or what is wrong.
_Part: TypeAlias = Callable[[Bench, _Handed], Complaint | None]


def _training(bench: Bench, handed: _Handed) -> Complaint | None:
    call = handed.call
    possible = pointwise.training(
        bench.law,
        call.rate,
        bench.conventions.output_dtype(call.dtype),
        bench.conventions.dropped_nonfinite,
    )

    def answer(x: Array) -> Array:
        y = bench.caller.train(x, call.rate).y
        if y.flags.writeable and np.may_share_memory(y, x):
            bench.observe("where nothing is dropped, the training pass may return its input itself")
        return y

    for _ in range(_TRIES):
        complaint = _pass(bench, handed, answer, possible, whole=call.filling == PLAIN)
        if complaint:
            return complaint.after(f"train({call}) ")
    return None


def _evaluation(bench: Bench, handed: _Handed) -> Complaint | None:
    call = handed.call
    declared = bench.conventions.output_dtype(call.dtype)
    possible = pointwise.evaluation(bench.law, call.rate, call.dtype, declared)
    complaint = _pass(bench, handed, lambda x: bench.caller.evaluate(x, call.rate), possible)
    return complaint and complaint.after(f"evaluate({call}) ")


def _pass(
    bench: Bench,
    handed: _Handed,
    answer: Callable[[Array], Array],
    possible: Outputs,
    *,
    whole: bool = False,
) -> Complaint | None:
    """Make one pass and hold it to what is possible; `whole`: units are kept or dropped whole."""
    given = handed.values
    y = answer(handed.made.x)
    if y.shape != given.shape:
        return Complaint(f"returned the shape {y.shape}; expected the shape of the input")
    if y.dtype.name != possible.dtype:
        return Complaint(f"returned {y.dtype.name}; expected {possible.dtype}")
    if handed.made.memory.tobytes() != handed.memory:
        return Complaint("changed its input in place; expected it unchanged")
    if not possible.drops and ((y == 0) & (given != 0)).any():
        bench.observe("subnormal numbers may become 0")
    return _impossible(given, y, possible) or (_torn(bench, y) if whole else None)


def _torn(bench: Bench, y: Array) -> Complaint | None:
    """Units that are partly kept; the input is nowhere 0."""
    axes = bench.law.sharing.axes(y.ndim)
    if not axes or not y.size:
        return None
    kept = y != 0
    torn = kept.any(axis=axes) != kept.all(axis=axes)
    if not torn.any():
        return None
    return Complaint(
        f"keeps a part of {int(torn.sum())} of {torn.size} units, the first being unit "
        f"{_first(torn)}; expected all elements of a unit to share one draw"
    )


def _impossible(given: Array, y: Array, possible: Outputs) -> Complaint | None:
    wrong = possible.wrong(given, y)
    if not wrong.any():
        return None
    index = _first(wrong)
    elsewhere = possible.is_kept_elsewhere(given, float(y[index]))
    symptoms: tuple[Symptom, ...] = ("the kept value of another unit",) if elsewhere else ()
    note = f", {symptoms[0]}" if symptoms else ""
    symptoms += ("NaN",) if np.isnan(y[index]) else ()
    return Complaint(
        f"is wrong at {int(wrong.sum())} of {wrong.size} units: at index {index} the input "
        f"{float(given[index]):.9g} became {float(y[index]):.9g}{note}; expected "
        f"{possible.expected(float(given[index]))}",
        symptoms,
        of_values=True,
    )


def _gradient(bench: Bench, handed: _Handed) -> Complaint | None:
    call, given = handed.call, handed.values.astype(np.float64)
    dy = bench.inputs(call.shape, call.dtype, "single call dy", call)
    y, dx = bench.caller.vjp(handed.made.x, dy.copy(), call.rate)
    if dx.shape != call.shape or dx.dtype.name != call.dtype:
        return Complaint(
            f"vjp({call}) returned dx of shape {dx.shape} {dx.dtype.name}; expected x's own"
        )
    with np.errstate(all="ignore"):
        expected = dy.astype(np.float64) * y.astype(np.float64) / given
        allowed = gradient_tolerance(bench, call.dtype, call.rate) * np.abs(expected)
        allowed += gradient_slack(bench, call.dtype, given, dy.astype(np.float64))
    wrong = ~(np.abs(dx.astype(np.float64) - expected) <= allowed)
    if not wrong.any():
        return None
    index = _first(wrong)
    return Complaint(
        f"vjp({call}) is wrong at {int(wrong.sum())} of {wrong.size} units: at index {index} "
        f"dy = {float(dy[index]):.9g} and output/input = {float(y[index]) / given[index]:.9g}, so "
        f"dx should be {expected[index]:.9g}; it is {float(dx[index]):.9g}"
    )


def _first(wrong: Array) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(wrong)), wrong.shape))


def _parts(bench: Bench, case: Case, *, gradient: bool) -> list[_Part]:
    """What to ask of each call; not what an ordinary call does wrong, which has its own checks."""
    parts: list[_Part] = [_training]
    ordinary = Call(bench.largest_shape, case.dtype, case.rate or 0.0)
    if bench.caller.can_evaluate and _evaluates(bench, case):
        parts.append(_evaluation)
    # Where each shape costs a compilation, its gradient costs another, and a larger one.
    gradient = gradient and bench.caller.can_differentiate and bench.conventions.max_shapes is None
    if gradient and _differentiates(bench, ordinary):
        parts.append(_gradient)
    return parts


def _evaluates(bench: Bench, case: Case) -> bool:
    try:
        return bench.evaluation(case.rate or 0.0, case.dtype).worst is None
    except TargetError:
        return False


def _differentiates(bench: Bench, ordinary: Call) -> bool:
    bench.caller.seed("single call", ordinary)
    try:
        return _gradient(bench, _Handed.of(bench, ordinary)) is None
    except TargetError:
        return False


@dataclass
class _Search:
    """One search: what was asked, answered and refused so far.

    Args:
        bench: the bench.
        parts: what is asked of each call.
        usual: the rate of the case, at which the target is known to answer.

    """

    bench: Bench
    parts: Sequence[_Part]
    usual: float
    asked: int = 0
    refused: int = 0
    complaints: dict[Call, Complaint] = field(default_factory=dict)

    def is_wrong(self, call: Call) -> bool:
        """Ask everything of one call; remember the first complaint."""
        self.asked += 1
        self.bench.caller.seed("single call", call)
        try:
            complaint = self._complaint(call)
        except TargetError as error:
            complaint = self._raised(call, error)
        if complaint and call.is_degenerate and not complaint.of_values:
            self.bench.observe(complaint.words)
        elif complaint:
            self.complaints[call] = complaint
        return call in self.complaints

    def _complaint(self, call: Call) -> Complaint | None:
        handed = _Handed.of(self.bench, call)
        return next(filter(None, (part(self.bench, handed) for part in self.parts)), None)

    def _raised(self, call: Call, error: TargetError) -> Complaint | None:
        """What to say of a call that raised; None where it was free to."""
        undeclared = self._undeclared(call)
        if not undeclared:
            words = f"{error.call.partition('(')[0]}({call}) {error.problem}"
            return complaint_of(error, words)
        self.refused += 1
        if not call.is_degenerate:  # interface.degenerate records those
            self.bench.observe(f"refuses {undeclared}", error.problem)
        return None

    def _undeclared(self, call: Call) -> str | None:
        if call.is_degenerate:
            return "0-d and empty inputs"
        if call.layout != C_ORDER:
            return f"an input in {call.layout}"
        if call.filling != PLAIN:
            return f"an input with {call.filling}"
        free = self.bench.conventions.rate_domain == "unspecified"
        return f"the rate {call.rate:g}" if free and call.rate not in (0.0, self.usual) else None


_MakeSpaces: TypeAlias = Callable[[Conventions, str, float, spaces.Shapes], Sequence[spaces.Space]]


def _probe(
    name: str,
    question: str,
    why: str,
    make_spaces: _MakeSpaces,
    *,
    demands: str,
    how: str,
    examples: int,
    gradient: bool = False,
    is_large: Callable[[Bench, Case], bool] = lambda _, __: False,
    afterwards: Callable[[Bench, Case], Finding | None] = lambda _, __: None,
) -> Probe:
    def ask(bench: Bench, case: Case) -> Finding:
        rate = case.rate or 0.0
        shapes = bench.shapes if bench.only_these_shapes else None
        search = _Search(bench, _parts(bench, case, gradient=gradient), rate)
        fits = bench.law.sharing.fitting

        def fitted(call: Call) -> Call:
            return call if shapes else replace(call, shape=fits(call.shape))

        def is_wrong(call: Call) -> bool:
            return search.is_wrong(fitted(call))

        found: Call | None = None
        for space in make_spaces(bench.conventions, case.dtype, rate, shapes):
            simplest = smallest(space, is_wrong, examples=examples, seed=bench.seed)
            if simplest is not None:
                found = fitted(simplest)
                break
        large = Call(bench.large_shape, case.dtype, rate)
        if found is None and is_large(bench, case) and search.is_wrong(large):
            found = large
        if found is not None:
            complaint = search.complaints[found]
            said = f"{complaint.words}. No smaller call was found to be wrong"
            return Finding("fail", said, symptoms=complaint.symptoms)
        refused = f"; {search.refused} others were refused" if search.refused else ""
        return afterwards(bench, case) or Finding(
            "pass", f"{search.asked - search.refused} generated calls obey the law{refused}"
        )

    return Probe(
        id=f"structure.{name}",
        question=question,
        why=why,
        demands=demands,
        how=how,
        places="dtype",
        ask=ask,
    )


SHAPES = _probe(
    "shapes",
    "Does a call of any shape obey the law at every unit?",
    "Tails of vector loops, blocks and threads: a size that is no multiple of 4, or one above "
    "10,000, takes a path of its own; a gradient was wrong in one dimension only.",
    spaces.spaces_of_shapes,
    examples=80,
    gradient=True,
    is_large=lambda bench, case: case.dtype == bench.conventions.dtypes[0],
    demands="Every single call shall obey the law at every unit, whatever its shape; so shall "
    "the evaluation pass and the gradient.",
    how="Calls of one dimension are made at every length from 1 to 9, at the powers of 2 from 16 "
    "to 1024 and their neighbours, and at four lengths above 10,000; up to 80 more are generated "
    "in all declared numbers of dimensions up to five, and one of 131,072 units in the first type. "
    "Each is made three times in training, once in evaluation and, unless `max_shapes` is "
    "declared, once with its gradient. Shape, type and the caller's input are compared, and "
    "each output is held to what is possible for its own input. A wrong call is made smaller "
    "for as long as it stays wrong, and the smallest is reported. 0-d and empty inputs may be "
    "refused, or come back in another shape: that is recorded. Evaluation and gradient are left "
    "out where an ordinary call gets them wrong, which has checks of its own.",
)

LAYOUTS = _probe(
    "layouts",
    "Does a call obey the law however its input lies in memory?",
    "A kernel that ignores strides puts right values at wrong places. The mean stays right, and an "
    "input of ones shows nothing.",
    spaces.spaces_of_layouts,
    examples=64,
    gradient=True,
    demands="Every single call shall obey the law at every unit, however its input lies in "
    "memory. A target may refuse a layout, by raising.",
    how="Up to 64 calls are generated and judged as for `structure.shapes`, of small shapes in "
    "eight layouts: C and Fortran order, every second column or row of a larger array, channels "
    "last, negative strides, read-only memory, and one row that is broadcast to all. The larger "
    "array must be left as it was, too. A layout that is refused aloud is an observation.",
)

VALUES = _probe(
    "values",
    "Do zeros, NaN, infinities, subnormal and very large inputs obey the law?",
    "A mask that is read back from the output takes zeros for dropped units; 0 times infinity is "
    "NaN; a clean-up of NaN hides a diverging network.",
    spaces.spaces_of_values,
    examples=64,
    afterwards=nonfinite.ask,
    demands="A training pass shall obey the law at inputs that are 0, NaN, infinite, subnormal "
    "or very large: kept ones become their kept value, and a dropped NaN or infinity what is "
    "declared of it. A target may refuse such inputs, by raising.",
    how="Up to 64 calls are generated and judged as for `structure.shapes`, without gradients, "
    "of small shapes, half of whose units have such values, at the rate of the case and at 0. "
    "Unless `dropped_nonfinite` declares one of them, a dropped NaN or infinity may become 0 or "
    "NaN; a subnormal number may always become 0. Then one call of the largest shape holds "
    "thousands of NaN and infinities: that none of them is kept, or dropped, fails where its "
    "probability is below e^-60.",
)

RATES = _probe(
    "rates",
    "Does a call at any rate in the domain obey the law?",
    "A rate that is rounded, truncated or clipped on its way, or a special case for some rates, "
    "is wrong at those alone.",
    spaces.spaces_of_rates,
    examples=64,
    demands="Every single call shall obey the law at every rate of the domain.",
    how="Up to 64 calls are generated and judged as for `structure.shapes`, without gradients, "
    "of small shapes, at 0, at rates near the ends (1e-6, 0.001, 0.999), at a dozen rates in "
    "between, and at 1 where the domain includes it. Kept values and evaluation are those of "
    "the rate; how often units are kept is not asked here. Where no domain is declared, a rate "
    "that is refused aloud is an observation.",
)
