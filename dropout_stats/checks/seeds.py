"""Does a seed, or a key, name its noise: the same one the same noise, another one another?"""

from __future__ import annotations

import math
from collections.abc import Callable

from dropout_stats.checks.bench import Bench
from dropout_stats.checks.check import Probe
from dropout_stats.checks.fingerprints import (
    NO_NOISE,
    bits_of,
    calls_needed,
    draw,
    draw_from,
    lacks_noise,
    places_later,
    surely_differ,
    too_alike,
)
from dropout_stats.errors import TargetError
from dropout_stats.laws.reading import Array
from dropout_stats.results import Case, Evidence, Finding

_SEED_BITS = 31  # of a seed or key: what Target promises to hand over
_LEAST_UNITS = 16  # of small shapes, several calls are compared
_HIGH_BITS = (32, 40, 62)
_NEXT_CALLS = 4  # among which the first mask of a neighbouring seed is looked for
_LAST = 2**_SEED_BITS - 1
# Lehmer generators cannot start at 0 and take these for one, as the C library does with 0 and 1;
# much that is otherwise right is built on them, so that is only recorded.
_SPECIAL = {0, 1, _LAST}


def _seeded(ask: Callable[[Bench, Case], Finding]) -> Callable[[Bench, Case], Finding]:
    """Ask only a target that takes a seed or a key; record only, where nothing is declared."""

    def guarded(bench: Bench, case: Case) -> Finding:
        randomness = bench.conventions.randomness
        if randomness == "none" or not bench.caller.can_restart:
            return Finding("not-applicable", "the target takes neither a seed nor a key")
        found = ask(bench, case)
        if found.verdict != "fail" or randomness != "unspecified":
            return found
        return Finding(
            "not-applicable",
            "nothing is declared about its seed (Conventions(randomness=...))",
            found.evidence,
            found.message,
        )

    return guarded


def _word(bench: Bench) -> str:
    return "key" if bench.conventions.randomness == "key" else "seed"


def _seed_repeats(bench: Bench, case: Case) -> Finding:
    largest = bench.largest_shape
    places = [(shape, bench.caller.number(case.id, shape)) for shape in _shapes(bench, case.dtype)]
    for shape, number in [*places, (largest, 0)]:
        x = bench.inputs(shape, case.dtype, case.id, shape)
        calls = max(2, math.ceil(_LEAST_UNITS / max(1, x.size)))
        if not _repeats(bench, x, case.rate or 0.0, number, calls):
            return Finding(
                "fail",
                f"the {_word(bench)} {number}, twice, with other calls in between: {calls} calls "
                f"of shape {shape} drew other masks the second time; expected the same. Draw from "
                f"what the {_word(bench)} sets and from nothing else",
                Evidence(calls * x.size),
            )
    units = ", ".join(str(math.prod(shape)) for shape, _ in places)
    return Finding("pass", f"the same {_word(bench)} gives the same masks, in calls of {units}")


def _shapes(bench: Bench, dtype: str) -> tuple[tuple[int, ...], ...]:
    """All shapes, and one more that is large, for one type: how work is shared is the same."""
    large = (bench.large_shape,) if dtype == bench.conventions.dtypes[0] else ()
    return tuple(dict.fromkeys((*bench.shapes, *large)))


def _repeats(bench: Bench, x: Array, rate: float, number: int, calls: int) -> bool:
    _other_calls(bench, x, rate)  # what first calls set up, or compile, is no part of the question
    before = draw_from(bench, number, x, rate, calls)
    _other_calls(bench, x, rate)
    return draw_from(bench, number, x, rate, calls) == before


def _other_calls(bench: Bench, x: Array, rate: float) -> None:
    if bench.conventions.allows(0.0):
        bench.caller.train(x.copy(), 0.0)
    bench.caller.train(x.copy(), rate)
    if bench.caller.can_evaluate:
        bench.caller.evaluate(x.copy(), rate)


def _seeds_differ(bench: Bench, case: Case) -> Finding:
    rate, shape = case.rate or 0.0, bench.largest_shape
    calls = calls_needed(bench, shape, rate)
    if calls is None:
        return too_alike(shape, rate)
    x, base = bench.inputs(shape, case.dtype, case.id), bench.caller.number(case.id)
    seen: dict[bytes, int] = {}
    remarks = []
    numbers = _numbers(base)
    for number in numbers:
        mask = draw_from(bench, number, x, rate, calls)
        if lacks_noise(mask, x, calls):
            return NO_NOISE
        other = seen.setdefault(mask, number)
        if other == number:
            continue
        if {other, number} <= _SPECIAL:
            remarks.append(f"the {_word(bench)}s {other} and {number} give the same masks")
        else:
            return Finding(
                "fail",
                f"the {_word(bench)}s {other} and {number} give the same mask of "
                f"{calls * x.size} units at rate {rate:g}; expected another of each. Use all "
                f"{_SEED_BITS} bits of it",
                Evidence(calls * x.size),
            )
    remarks += _high_bits(bench, x, rate, calls, base)
    apart = _shift(bench, x, rate, base) or _calls_apart(bench, x, rate, base)
    if apart:
        return Finding(
            "fail",
            f"at rate {rate:g} the {_word(bench)}s {base} and {base + 1} give parts of one "
            f"sequence, {apart} apart; expected unrelated masks: the {_word(bench)} is a place in "
            "one sequence. Make another sequence of each",
            Evidence(x.size),
            symptoms=("parts of one sequence",),
        )
    return Finding(
        "pass",
        f"{len(numbers)} {_word(bench)}s give different masks: neighbours, ends, and one changed "
        f"in each of its {_SEED_BITS} bits",
        Evidence(calls * x.size),
        "; ".join(remarks) or None,
    )


def _shift(bench: Bench, x: Array, rate: float, base: int) -> str | None:
    """By how many units the masks of a seed are those of its neighbour, moved.

    Of one call each: the second call of a key has the key of its neighbour. A third of the call
    must surely tell, and bits must fill whole bytes.
    """
    if not surely_differ(bits_of(bench, x.shape, rate) / 3) or x.size % 8:
        return None
    one, other = (draw_from(bench, number, x, rate, 1) for number in (base, (base + 1) & _LAST))
    units = places_later(one, other) or places_later(other, one)
    return f"{units} units" if units else None


def _calls_apart(bench: Bench, x: Array, rate: float, base: int) -> str | None:
    """By how many calls the masks of a seed are those of its neighbour, moved.

    A key names the noise of one call: there the second call has the key of the neighbour.
    """
    if _word(bench) == "key" or not surely_differ(bits_of(bench, x.shape, rate)):
        return None
    one, other = (_calls_from(bench, n, x, rate) for n in (base, (base + 1) & _LAST))
    for earlier, later in ((one, other), (other, one)):
        if later[0] in earlier[1:]:
            calls = earlier.index(later[0])
            return f"{calls} call{'s' * (calls > 1)}"
    return None


def _calls_from(bench: Bench, number: int, x: Array, rate: float) -> list[bytes]:
    bench.caller.restart(number)
    return [draw(bench, x, rate, 1) for _ in range(_NEXT_CALLS)]


def _numbers(base: int) -> list[int]:
    """Seeds that are far apart, next to each other, at the ends, and one bit away."""
    neighbours = [(base + step) & _LAST for step in (0, 1, 2)]
    one_bit_away = [base ^ (1 << bit) for bit in range(_SEED_BITS)]
    return list(dict.fromkeys([*sorted(_SPECIAL), *neighbours, *one_bit_away]))


def _high_bits(bench: Bench, x: Array, rate: float, calls: int, base: int) -> list[str]:
    """Whether bits beyond those that are promised count, in a seed that takes them."""
    if _word(bench) == "key":
        return []
    plain, ignored = draw_from(bench, base, x, rate, calls), []
    for bit in _HIGH_BITS:
        try:
            mask = draw_from(bench, base + (1 << bit), x, rate, calls)
        except TargetError:
            break  # it takes no such seed, and says so
        if mask == plain:
            ignored.append(str(bit))
    bits = " or ".join(ignored)
    return [f"seeds that differ in bit {bits} alone give the same masks"] if ignored else []


def _seed_is_read(bench: Bench, case: Case) -> Finding:
    rate, shape = case.rate or 0.0, bench.largest_shape
    calls = calls_needed(bench, shape, rate)
    if calls is None:
        return too_alike(shape, rate)
    x = bench.inputs(shape, case.dtype, case.id)
    one, other = (bench.caller.number(case.id, n) for n in range(2))
    first, between, back = (draw_from(bench, n, x, rate, calls) for n in (one, other, one))
    units, word = calls * x.size, _word(bench)
    if lacks_noise(first, x, calls):
        return NO_NOISE
    if between == first:
        problem = f"changing the {word} from {one} to {other} does not change the mask"
    elif back != first:
        problem = f"going back to the {word} {one} does not bring its mask back"
    else:
        return Finding(
            "pass",
            f"changing the {word} changes the mask, and going back brings it back",
            Evidence(units),
        )
    return Finding(
        "fail",
        f"{problem}, in {units} units; expected it to: the {word} is read once and kept, or not "
        "read at all. Read it at each call, and throw away what was made of the one before",
        Evidence(units),
    )


SEED_REPEATS = Probe(
    id="randomness.seed_repeats",
    question="Does the same seed, or the same key, give the same masks, at every size?",
    why="A kernel that uses the address of its seed, or seeds each thread by its number, cannot be "
    "reproduced; the second only shows in calls so large that several threads share the work.",
    demands="The same seed, or the same key, shall give the same masks, in calls of every size "
    "and whatever was called in between.",
    how="On each shape, and for the first type on one of 131,072 units: masks of two calls or "
    "more are drawn from a seed, other calls are made, and masks are drawn from the same seed "
    "again; likewise from seed 0. They must agree. Where randomness='unspecified' is declared, "
    "a failure is an observation. Not asked of a target that takes neither a seed nor a key.",
    places="dtype",
    ask=_seeded(_seed_repeats),
)

SEEDS_DIFFER = Probe(
    id="randomness.seeds_differ",
    question="Do different seeds, or keys, give different masks?",
    why="A seed that is cut to fewer bits, or not used, makes runs that should be independent "
    "repetitions of each other; so does one that is a place in one sequence, but for a few units. "
    "Where calls are counted on from the seed, layers with neighbouring seeds draw each other's "
    "masks a call later.",
    demands="Different seeds, or keys, below 2^31 shall give different masks, and not those of "
    "another seed from a later unit, or a later call, on.",
    how="Masks are drawn from 0, 1, 2^31 - 1, three neighbours, and one seed with each of its "
    "31 bits flipped. All must differ, and those of two neighbours must not be one sequence that "
    "starts at two places, some units or up to three calls apart; a mask is made as for "
    "`randomness.fresh`. That 0, 1 and 2^31 - 1 agree among each other, as for old generators, and "
    "that bits beyond 31 do not count, are observations. So is a failure where "
    "randomness='unspecified' is declared. Not asked of a target that takes neither a seed nor a "
    "key.",
    places="once",
    ask=_seeded(_seeds_differ),
)

SEED_IS_READ = Probe(
    id="randomness.seed_is_read",
    question="Does a change of the seed, or of the key, take effect each time?",
    why="A dropout state that is cached at its first use ignores every later seed: so recurrent "
    "layers of a framework could not be reproduced.",
    demands="A change of the seed, or of the key, shall take effect at the next call, each time.",
    how="Masks are drawn from one seed, from another, and from the first again. The second must "
    "differ from the first, and the third must be the first; a mask is made as for "
    "`randomness.fresh`. Where randomness='unspecified' is declared, a failure is an "
    "observation. Not asked of a target that takes neither a seed nor a key.",
    places="once",
    ask=_seeded(_seed_is_read),
)
