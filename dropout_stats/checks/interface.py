"""Does the target take and give what its conventions declare?"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import numpy as np

from dropout_stats.call import Answer
from dropout_stats.checks.bench import Bench
from dropout_stats.checks.check import Probe, StreamCheck
from dropout_stats.checks.complaint import complaint_of, symptoms_of
from dropout_stats.checks.stream import Stream
from dropout_stats.errors import TargetError
from dropout_stats.laws.reading import Array
from dropout_stats.results import Case, Finding, Symptom, Verdict

_INVALID = (-0.1, 1.1, math.nan)


def _each_shape(
    complaint: Callable[[Bench, Case, Array, Array, Answer], str | None], praise: str
) -> Callable[[Bench, Case], Finding]:
    """Make a probe that calls the target once a shape and stops at the first complaint.

    The complaint gets the bench, the case, the input as made, the input as handed over, and the
    answer.
    """

    def ask(bench: Bench, case: Case) -> Finding:
        rate = case.rate or 0.0
        bench.caller.seed(case.id)
        for shape in bench.shapes:
            made = bench.inputs(shape, case.dtype, case.id, shape)
            handed = made.copy()
            answer = bench.caller.train(handed, rate)
            found = complaint(bench, case, made, handed, answer)
            if found:
                where = f"train(x of shape {shape} {case.dtype}, rate={rate:g})"
                return Finding("fail", f"{where} {found}")
        shapes = ", ".join(str(shape) for shape in bench.shapes)
        return Finding("pass", f"{praise}, for the shapes {shapes}")

    return ask


def _shape(_: Bench, __: Case, made: Array, ___: Array, answer: Answer) -> str | None:
    if answer.y.shape == made.shape:
        return None
    return f"returned the shape {answer.y.shape}; expected the shape of the input"


def _dtype(bench: Bench, case: Case, _: Array, __: Array, answer: Answer) -> str | None:
    expected = bench.conventions.output_dtype(case.dtype)
    if answer.y.dtype.name == expected:
        return None
    return (
        f"returned {answer.y.dtype.name}; expected {expected}. If that is intended, declare "
        f"Conventions(compute_dtype={answer.y.dtype.name!r})"
    )


def _input_unchanged(_: Bench, __: Case, made: Array, handed: Array, ___: Answer) -> str | None:
    if handed.tobytes() == made.tobytes():
        return None
    changed = int((handed != made).sum())
    return f"changed {changed} of {made.size} values of its input in place; expected none"


def _invalid_rate(bench: Bench, case: Case) -> Finding:
    conventions = bench.conventions
    if conventions.invalid_rates == "unspecified":
        # On a GPU such a call may end in an assertion of the device, after which none works.
        return Finding(
            "not-applicable",
            "nothing is declared about invalid rates, so none is tried "
            "(Conventions(invalid_rates=...))",
        )
    x = bench.inputs(bench.shapes[0], case.dtype, case.id)
    rates = _INVALID + ((1.0,) if conventions.rate_domain == "[0, 1)" else ())
    accepted, refused = [], []
    for rate in rates:
        try:
            bench.caller.train(x.copy(), rate)
        except TargetError as error:
            refused.append(f"{rate:g} {error.problem}")
        else:
            accepted.append(f"{rate:g}")
    if accepted:
        said = "; ".join([f"accepts the rates {', '.join(accepted)}", *refused])
        return Finding("fail", f"{said}; expected an error at each, as declared")
    return Finding("pass", f"raises at the rates {', '.join(f'{rate:g}' for rate in rates)}")


def _numpy_rate(bench: Bench, case: Case) -> Finding:
    expected, changed = bench.conventions.output_dtype(case.dtype), []
    symptoms: tuple[Symptom, ...] = ()
    for kind in (np.float32, np.float64):
        try:
            got = _type_for(bench, case, kind)
        except TargetError as error:
            got, symptoms = f"none, for the call {error.problem}", symptoms_of(error)
        if got != expected:
            changed.append(f"for a rate of type {kind.__name__} the output is {got}")
    if not changed:
        return Finding("pass", f"with rates of NumPy types the output stays {expected}")
    said = f"{' and '.join(changed)}; expected {expected}"
    if bench.conventions.numpy_rates == "unspecified":
        return Finding(
            "not-applicable",
            "nothing is declared about rates of NumPy types (Conventions(numpy_rates='kept'))",
            observation=said,
        )
    return Finding("fail", said, symptoms=symptoms)


def _type_for(bench: Bench, case: Case, kind: type[np.floating[Any]]) -> str:
    """The type of the output for a rate of a NumPy type."""
    x = bench.inputs(bench.shapes[0], case.dtype, case.id)
    bench.caller.seed(case.id, kind.__name__)
    return bench.caller.train(x, cast("float", kind(case.rate or 0.0))).y.dtype.name


def _degenerate(bench: Bench, case: Case) -> Finding:
    low, high = bench.conventions.ndims
    said = []
    for name, shape in (("0-d", ()), ("empty", (0,)), ("empty", (2, 0, 3))):
        if not low <= len(shape) <= high:
            continue
        x = bench.inputs(shape, case.dtype, case.id, shape)
        try:
            y = bench.caller.train(x, case.rate or 0.0).y
        except TargetError as error:
            said.append(f"{name} input of shape {shape}: {error.problem}")
            continue
        if y.shape != shape:
            said.append(f"{name} input of shape {shape}: the output has shape {y.shape}")
    if said:
        return Finding(
            "not-applicable",
            "what happens to 0-d and empty inputs is only recorded",
            observation="; ".join(said),
        )
    return Finding("pass", "0-d and empty inputs keep their shape")


def _call(stream: Stream) -> Verdict:
    if stream.broken:
        return "fail"
    return "pass" if stream.calls else "inconclusive"


def _explain_call(stream: Stream, verdict: Verdict) -> Finding:
    if stream.broken:
        said = f"{stream.broken} (call {stream.calls + 1} of the stream)"
        found = complaint_of(stream.broken, said).finding()
        if "raised" in found.symptoms and stream.calls:
            return replace(found, symptoms=(*found.symptoms, "not at first"))
        return found
    return Finding(verdict, f"{stream.calls} calls returned an array of the input's shape")


CALL = StreamCheck(
    id="interface.call",
    question="Does every training pass return an array of the shape of its input?",
    why="A call that raises or returns something else inside the declared conventions is a "
    "failure by itself; what was read before it still counts.",
    demands="Every training pass inside the declared conventions shall return an array of real "
    "numbers with the shape of its input, and shall not raise.",
    how="Every call of these streams is watched. Calls take four inputs in turn; their values "
    "are of many sizes and either sign, differ from each other as far as the type allows, and "
    "are never 0. An exception, an answer that is no array of real numbers, or another shape "
    "fails and ends the stream; what was read before still counts for the other checks. Of a "
    "tuple, the first item is the output.",
    spends=False,
    decide=_call,
    explain=_explain_call,
    on=("usual", "rank", "tiny", "peers"),
    waits=False,
    needs_counts=False,
)

SHAPE = Probe(
    id="interface.shape",
    question="Does the output have the shape of the input, in every rank that is declared?",
    why="Broadcast mistakes and lost axes show only in some ranks.",
    demands="The output of a training pass shall have the shape of its input, in every number "
    "of dimensions that is declared.",
    how="One call for each of the shapes 16x1024, 1, 7, 3x5, 2x3x4, 2x3x4x5 and 2x1x3x2x2 whose "
    "number of dimensions is declared, or for each shape that the caller names. The shapes are "
    "compared.",
    places="dtype",
    ask=_each_shape(_shape, "the output has the shape of the input"),
)

DTYPE = Probe(
    id="interface.dtype",
    question="Does the output have the declared type?",
    why="A scale computed in another precision silently promotes everything downstream.",
    demands="The output of a training pass shall have the type of its input or, where one is "
    "declared, the compute type.",
    how="One call for each shape, as for `interface.shape`. The types are compared.",
    places="dtype",
    ask=_each_shape(_dtype, "the output has the declared type"),
)

INPUT_UNCHANGED = Probe(
    id="interface.input_unchanged",
    question="Is the caller's input left as it was?",
    why="Dropout in place leaves zeros in data that are used again.",
    demands="A training pass shall not write into the array that it is handed.",
    how="One call for each shape, as for `interface.shape`. The bytes of the input are compared "
    "before and after.",
    places="rate and dtype",
    ask=_each_shape(_input_unchanged, "the input is left as it was"),
)

NUMPY_RATE = Probe(
    id="interface.numpy_rate",
    question="Does a rate of a NumPy type leave the type of the output alone?",
    why="1 - np.float32(rate) is a NumPy number, and may promote all that follows: a configuration "
    "read from an array then doubles the memory of a network.",
    demands="Where numpy_rates='kept' is declared, a rate that is a NumPy number shall leave "
    "the type of the output as it is.",
    how="One call with the rate as a float32 and one with it as a float64 of NumPy. Where "
    "nothing is declared, a change of the type is an observation.",
    places="dtype",
    own_rates=True,
    ask=_numpy_rate,
)

INVALID_RATE = Probe(
    id="interface.invalid_rate",
    question="Do rates outside the domain raise, where that is declared?",
    why="A negative or NaN rate that is accepted trains a different network without a word.",
    demands="Where invalid_rates='raise' is declared, a training pass shall raise at the rates "
    "-0.1, 1.1 and NaN, and at 1 where the declared domain is [0, 1).",
    how="One call at each of these rates, where that is declared; elsewhere none: a target that "
    "promises nothing there may take its process or its device along.",
    places="once",
    own_rates=True,
    ask=_invalid_rate,
)

DEGENERATE = Probe(
    id="interface.degenerate",
    question="Do 0-d and empty inputs keep their shape?",
    why="The last batch may be empty and a loss is 0-d; nothing is declared, so it is recorded.",
    demands="A training pass should give 0-d and empty inputs back in their shape. This is a "
    "recommendation: what happens instead is recorded, and never fails.",
    how="One call for each of the shapes (), (0,) and (2, 0, 3) whose number of dimensions is "
    "declared. An exception or another shape is an observation.",
    places="once",
    ask=_degenerate,
)
