"""Which is wrong, the adapter or the implementation? A few calls tell, before a run is worth it.

An adapter says how a target is reached: how arrays go there and back, how its passes, its gradient
and its randomness are asked for, and what is declared. A run blames the implementation for all of
it. Here each question is answered by its cause: an error belongs to the code that raised it, a
declaration that the implementation refuses to whoever declared it, and a wrong type of an output to
the implementation only after arrays went there and back unchanged.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from dropout_stats import dtypes
from dropout_stats.call import Caller
from dropout_stats.callables import underlying
from dropout_stats.errors import TargetError
from dropout_stats.inputs import branch, distinct
from dropout_stats.laws.reading import Array
from dropout_stats.planning import Plan
from dropout_stats.target import Target

Blame = Literal["adapter", "implementation", "adapter or implementation"]
_OWN = Path(__file__).parent
_RATES = (0.001, 0.1, 0.3, 0.9, 0.999)
_UNANSWERED = "no training pass answers"
_SHAPES = ((), (0,), (7,), (3, 5), (2, 0, 3), (2, 3, 4, 5))


@dataclass(frozen=True)
class Remark:
    """One thing that was asked.

    Args:
        question: what, in a few words.
        said: what came of it, in one line.
        blame: who is to repair it; None where all is well, or nothing could be asked.

    """

    question: str
    said: str
    blame: Blame | None = None

    def __str__(self) -> str:
        said = " ".join(self.said.split())  # an error may have several lines
        return f"{self.blame or 'ok'}: {self.question}: {said}"


def ask_all(plan: Plan, target: Target) -> tuple[Remark, ...]:
    """Ask everything, in calls of one shape.

    Args:
        plan: the plan of a run of the target: its conventions, shapes and seed.
        target: the target.

    """
    bench = _Bench(plan, target)
    return tuple(remark for ask in _QUESTIONS for remark in ask(bench))


@dataclass(frozen=True)
class _Bench:
    """A target, and what it is asked with."""

    plan: Plan
    target: Target

    @cached_property
    def caller(self) -> Caller:
        return Caller(self.target, self.plan.conventions, self.plan.asked.seed)

    @cached_property
    def rate(self) -> float:
        return self.plan.rates[len(self.plan.rates) // 2]

    @cached_property
    def shape(self) -> tuple[int, ...]:
        return max(self.plan.shapes, key=lambda shape: int(np.prod(shape)))

    @cached_property
    def refused(self) -> dict[str, str]:
        """The types that are not declared and not taken, each with what was said."""
        refused = {}
        for dtype in self.plan.asked.dtypes or ():
            undeclared = self.plan.conventions.leaves_out(dtype, len(self.shape))
            if undeclared:
                try:
                    self.caller.train(self.input(dtype), self.rate)
                except TargetError as error:
                    refused[dtype] = f"it does not declare {undeclared}, and refuses them: {error}"
        return refused

    @property
    def dtypes(self) -> tuple[str, ...]:
        """The types to ask in: those that are asked for, or else declared."""
        left = (dtype for dtype in self.plan.asked.dtypes or () if dtype not in self.refused)
        return tuple(left) or self.plan.conventions.dtypes

    def input(self, dtype: str | None = None) -> Array:
        rng = np.random.default_rng(branch(self.plan.asked.seed, "inputs", "selftest"))
        return distinct(rng, self.shape, dtype or self.dtypes[0])

    @cached_property
    def unconverted(self) -> tuple[str, ...]:
        """The types whose arrays do not come back as they went, each with what was seen."""
        return tuple(said for dtype in self.dtypes if (said := _there_and_back(self, dtype)))

    @property
    def owner(self) -> Blame:
        """Who gave an output another type or shape than it should have."""
        if self.target.convert is None:
            return "adapter or implementation"
        return "adapter" if self.unconverted else "implementation"

    @cached_property
    def trains(self) -> bool:
        """Whether one training pass answers at all."""
        try:
            self.caller.train(self.input(), self.rate)
        except TargetError:
            return False
        return True

    def raised_by(self, error: TargetError) -> Blame:
        """Whose code raised, or answered with something that is no array.

        The first code outside this library is the adapter's, if another package brings it or the
        target is described by hand, or the implementation's, if a bridge calls it.
        """
        cause = error.__cause__
        frames = traceback.extract_tb(cause.__traceback__) if cause else []
        outside = [frame.filename for frame in frames if not _is_ours(frame.filename)]
        if not outside or _is_ours(frames[-1].filename):
            return "adapter"
        if outside[0] != outside[-1] or (self.is_bridged and not self.unconverted):
            return "implementation"
        return "adapter or implementation"

    @property
    def is_bridged(self) -> bool:
        """Whether an adapter of this library calls the implementation."""
        code = getattr(underlying(self.target.train), "__code__", None)
        return code is not None and Path(code.co_filename).is_relative_to(_OWN / "adapters")


def _is_ours(filename: str) -> bool:
    return Path(filename).is_relative_to(_OWN)


def _arrays(bench: _Bench) -> Iterator[Remark]:
    question = "arrays go there and back"
    if bench.target.convert is None:
        yield Remark(question, "not asked: the target does not say how (Target(convert=...))")
    elif bench.unconverted:
        yield from (Remark(question, said, "adapter") for said in bench.unconverted)
    else:
        yield Remark(question, f"bit for bit in {', '.join(bench.dtypes)}")


def _there_and_back(bench: _Bench, dtype: str) -> str | None:
    low, high = bench.plan.conventions.ndims
    convert = bench.target.convert
    for shape in _SHAPES:
        if convert is None or not low <= len(shape) <= high:
            continue
        x = _patterns(dtype, shape)
        for given, layout in ((x, ""), (x.T, " transposed")):
            try:
                back = convert(given.copy(order="K"))
            except Exception as error:  # noqa: BLE001 - whatever an adapter does
                said = f"raised {type(error).__name__}: {error}"
            else:
                said = _difference(given, back)
            if said:
                return f"an array of shape {given.shape}{layout} {dtype} {said}"
    return None


def _patterns(dtype: str, shape: tuple[int, ...]) -> Array:
    """Numbers of every kind: of all sizes, of either sign, subnormal, infinite, and NaN."""
    kind = dtypes.precision(dtype)
    special = [1 / 3, -0.0, kind.tiny, -kind.normal, kind.largest, np.inf, -np.inf, np.nan]
    return np.resize(special, shape).astype(dtypes.as_dtype(dtype))


def _difference(given: Array, back: object) -> str:
    if not isinstance(back, np.ndarray):
        return f"came back as a {type(back).__name__}"
    if back.dtype != given.dtype or back.shape != given.shape:
        return f"came back as {back.dtype.name} of shape {back.shape}"
    size = given.dtype.itemsize
    there, here = (np.frombuffer(one.tobytes(), f"u{size}") for one in (given, back))
    changed = np.flatnonzero(there != here)
    if not changed.size:
        return ""
    first = changed[0]
    return f"came back changed: {given.ravel()[first]} as {back.ravel()[first]}"


def _training(bench: _Bench) -> Iterator[Remark]:
    for dtype, said in bench.refused.items():
        yield Remark(f"training pass in {dtype}", f"not asked: {said}")
    for dtype in bench.dtypes:
        yield _pass(
            bench, f"training pass in {dtype}", dtype, lambda x: bench.caller.train(x, bench.rate).y
        )


def _evaluation(bench: _Bench) -> Iterator[Remark]:
    question = "evaluation pass"
    if not bench.caller.can_evaluate:
        yield Remark(question, "not asked: the adapter found none")
        return
    yield _pass(bench, question, bench.dtypes[0], lambda x: bench.caller.evaluate(x, bench.rate))


def _gradient(bench: _Bench) -> Iterator[Remark]:
    question = "gradient"
    if not bench.caller.can_differentiate:
        yield Remark(question, "not asked: the adapter gives no backward pass")
        return

    def gradient(x: Array) -> Array:
        output = dtypes.as_dtype(bench.plan.conventions.output_dtype(x.dtype.name))
        return bench.caller.vjp(x, np.ones(x.shape, output), bench.rate)[1].astype(output)

    yield _pass(bench, question, bench.dtypes[0], gradient)


def _pass(bench: _Bench, question: str, dtype: str, ask: Callable[[Array], Array]) -> Remark:
    """One call whose answer shall be like the declared output."""
    x = bench.input(dtype)
    try:
        y = ask(x.copy())
    except TargetError as error:
        if dtype != bench.dtypes[0] and bench.trains:
            return Remark(question, f"{dtype} is declared, but {error}", "adapter")
        return Remark(question, str(error), bench.raised_by(error))
    expected = bench.plan.conventions.output_dtype(dtype)
    if y.shape != x.shape or y.dtype.name != expected:
        said = f"{y.dtype.name} of shape {y.shape}; expected {expected} of shape {x.shape}"
        return Remark(question, said, bench.owner)
    wrong = y.size - int(np.isfinite(y.astype(np.float64)).sum())
    if wrong:
        said = f"{wrong} of {y.size} outputs of finite inputs are not finite"
        return Remark(question, said, bench.owner)
    return Remark(question, f"{expected} of shape {y.shape}, finite")


def _seeds(bench: _Bench) -> Iterator[Remark]:
    word = "key" if bench.plan.conventions.randomness == "key" else "seed"
    question = f"the {word} reaches the noise"
    why = None if bench.trains else _UNANSWERED
    if bench.plan.conventions.randomness == "unspecified":
        why = "nothing is declared about the randomness"
    elif not bench.caller.can_restart:
        why = "the target takes neither a seed nor a key"
    if why:
        yield Remark(question, f"not asked: {why}")
        return
    try:
        yield _seeded(bench, question, word)
    except TargetError as error:
        yield Remark(question, str(error), bench.raised_by(error))


def _seeded(bench: _Bench, question: str, word: str) -> Remark:
    x = bench.input()

    def noise(number: int) -> bytes:
        bench.caller.restart(number)
        return bench.caller.train(x.copy(), bench.rate).y.tobytes()

    numbers = [bench.caller.number("selftest", place) for place in (0, 1)]
    one, again, other = noise(numbers[0]), noise(numbers[0]), noise(numbers[1])
    if one != again:
        said = f"{word} {numbers[0]} gave other noise the second time"
        declared = "or declare randomness='unspecified'"
        return Remark(
            question, f"{said}: hand it to where the noise is drawn, {declared}", "adapter"
        )
    if one != other:
        return Remark(question, f"two {word}s differ, and the same one agrees")
    said = f"the {word}s {numbers[0]} and {numbers[1]} gave the same noise"
    next_call = bench.caller.train(x.copy(), bench.rate).y.tobytes()
    if word == "seed" and next_call != other:
        return Remark(question, f"{said}, though each call draws: its number is ignored", "adapter")
    return Remark(question, said, "adapter or implementation")


def _rates(bench: _Bench) -> Iterator[Remark]:
    question, declared = "declared rates", bench.plan.conventions
    if not bench.trains:
        yield Remark(question, f"not asked: {_UNANSWERED}")
        return
    ends = (0.0, 1.0) if declared.rate_domain == "[0, 1]" else (0.0,)
    rates = declared.rates or (*_RATES, *ends)
    refused = 0
    for rate in rates:
        try:
            bench.caller.train(bench.input(), rate)
        except TargetError as error:
            refused += 1
            blame = "adapter" if rate in (declared.rates or ends) else bench.raised_by(error)
            yield Remark(question, f"the rate {rate:g} is declared, but {error}", blame)
    if not refused:
        yield Remark(question, f"accepted: {', '.join(f'{rate:g}' for rate in rates)}")


_QUESTIONS: tuple[Callable[[_Bench], Iterator[Remark]], ...] = (
    _arrays,
    _training,
    _evaluation,
    _gradient,
    _seeds,
    _rates,
)
