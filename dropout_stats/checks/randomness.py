"""Does every call draw new noise, and do passes that drop nothing draw none?"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from dropout_stats.checks.bench import Bench
from dropout_stats.checks.check import Probe
from dropout_stats.checks.fingerprints import (
    NO_NOISE,
    calls_needed,
    draw,
    draw_from,
    lacks_noise,
    mask_of,
    too_alike,
)
from dropout_stats.laws.reading import Array
from dropout_stats.results import Case, Evidence, Finding


def _fresh(bench: Bench, case: Case) -> Finding:
    if bench.conventions.randomness == "none":
        return Finding("not-applicable", "declared to have no randomness of its own")
    rate, shape = case.rate or 0.0, bench.largest_shape
    calls = calls_needed(bench, shape, rate)
    if calls is None:
        return too_alike(shape, rate)
    bench.caller.seed(case.id)
    x = bench.inputs(shape, case.dtype, case.id)
    buffer, units = x.copy(), calls * x.size
    occasions = _occasions(bench, case, x)
    seen: dict[bytes, str] = {}
    # Twice each: what is set to a fixed state shows only when it is set there again.
    for occasion in (*occasions, *occasions):
        occasions[occasion]()
        mask = b"".join(_draw_in(bench, buffer, x, rate) for _ in range(calls))
        if lacks_noise(mask, x, calls):
            if not seen:
                return NO_NOISE
            return Finding(
                "fail",
                f"of {units} units drawn {occasion} all or none are kept, and of those drawn "
                f"{', '.join(dict.fromkeys(seen.values()))} they are not; expected a new mask each "
                "time: the mode, or the mask, is left as it was",
                Evidence(units),
            )
        if mask in seen:
            before = "on the same occasion before" if seen[mask] == occasion else seen[mask]
            return Finding(
                "fail",
                f"the mask of {units} units drawn {occasion} is the one drawn {before}; expected "
                "another: something sets the generator back, or the mask is kept",
                Evidence(units),
            )
        seen[mask] = occasion
    return Finding(
        "pass",
        f"{len(seen)} masks of {units} units all differ: drawn {', '.join(occasions)}",
        Evidence(units * len(seen)),
    )


def _draw_in(bench: Bench, buffer: Array, x: Array, rate: float) -> bytes:
    """One mask, with the input handed over in the same buffer each time."""
    buffer[...] = x
    return mask_of(bench, x, bench.caller.train(buffer, rate).y, rate)


def _occasions(bench: Bench, case: Case, x: Array) -> dict[str, Callable[[], object]]:
    """When a mask is drawn, and what to do just before."""
    caller, rate = bench.caller, case.rate or 0.0
    occasions: dict[str, Callable[[], object]] = {
        "right after another": lambda: None,
    }
    if bench.conventions.allows(0.0):
        occasions["after a pass at rate 0"] = lambda: caller.train(x.copy(), 0.0)
    for shape in bench.shapes[1:2]:
        other = bench.inputs(shape, case.dtype, case.id, shape)
        occasions["after a call of another shape"] = partial(caller.train, other, rate)
    if caller.can_evaluate:
        occasions["after an evaluation pass"] = lambda: caller.evaluate(x.copy(), rate)
    if caller.can_differentiate:
        occasions["after a backward pass"] = lambda: caller.vjp(x.copy(), x.copy(), rate)
    return occasions


def _idle(bench: Bench, case: Case) -> Finding:
    caller, rate, shape = bench.caller, case.rate or 0.0, bench.largest_shape
    if bench.conventions.randomness in ("key", "none"):
        return Finding("not-applicable", "it has no generator that a pass could advance")
    if not caller.can_restart:
        return Finding("not-applicable", "it cannot be seeded, so nothing can be compared")
    calls = calls_needed(bench, shape, rate)
    if calls is None:
        return too_alike(shape, rate)
    x, number = bench.inputs(shape, case.dtype, case.id), caller.number(case.id)
    plain, again = (draw_from(bench, number, x, rate, calls) for _ in range(2))
    if plain != again:
        return Finding("not-applicable", "its seed does not repeat: see randomness.seed_repeats")
    drawing = []
    for name, idle in _idle_passes(bench, x, rate).items():
        caller.restart(number)
        idle()
        if draw(bench, x, rate, calls) != plain:
            drawing.append(name)
    return _judge_idle(bench, drawing)


def _idle_passes(bench: Bench, x: Array, rate: float) -> dict[str, Callable[[], object]]:
    passes: dict[str, Callable[[], object]] = {}
    if bench.conventions.allows(0.0):
        passes["a training pass at rate 0"] = lambda: bench.caller.train(x.copy(), 0.0)
    if bench.caller.can_evaluate:
        passes["an evaluation pass"] = lambda: bench.caller.evaluate(x.copy(), rate)
    return passes


def _judge_idle(bench: Bench, drawing: list[str]) -> Finding:
    seen = f"{' and '.join(drawing)} {'advance' if len(drawing) > 1 else 'advances'} the generator"
    if bench.conventions.idle_draws == "unspecified":
        return Finding(
            "not-applicable",
            "nothing is declared about draws of idle passes (Conventions(idle_draws=...))",
            observation=seen if drawing else None,
        )
    if not drawing:
        return Finding("pass", "idle passes leave the noise of the next training pass as it was")
    return Finding(
        "fail",
        f"{seen}: with one seed, the next training pass draws another mask than without it; "
        "expected the same. Return before drawing where nothing can be dropped",
    )


FRESH = Probe(
    id="randomness.fresh",
    question="Does a call draw a new mask, whatever was called before it?",
    why="An evaluation pass that sets the generator back, a mask that is cached by its shape, or a "
    "seed that is made from the address of the input gives the same mask again.",
    demands="Each training pass shall draw a new mask, whatever was called before it.",
    how="Masks are drawn right after another, after a pass at rate 0, after a call of another "
    "shape, after an evaluation pass and after a backward pass, on each occasion twice, with "
    "the input in the same buffer. All must differ. As many calls make one mask as lawful masks "
    "need to agree with a probability of at most 2^-400; where 64 do not suffice, it is not "
    "asked.",
    places="dtype",
    ask=_fresh,
)

IDLE = Probe(
    id="randomness.idle",
    question="Do passes that drop nothing draw nothing, where that is declared?",
    why="If evaluating, or a rate of 0, advances the generator, then looking at a network in "
    "between changes how its training goes on.",
    demands="Where idle_draws='none' is declared, an evaluation pass, and a training pass at "
    "rate 0, shall draw nothing.",
    how="From one seed, the next mask is drawn with and without such a pass before it; a mask "
    "is made as for `randomness.fresh`. They must agree. Where nothing is declared, a "
    "difference is an observation. Not asked of a target that cannot be seeded.",
    places="once",
    ask=_idle,
)
