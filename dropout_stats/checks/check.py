"""What a check is: one named property with one question in plain words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from dropout_stats.checks.bench import Bench
from dropout_stats.checks.context import Context, Counter, Place
from dropout_stats.checks.stream import Stream
from dropout_stats.laws import Kind
from dropout_stats.laws.reading import Array
from dropout_stats.results import Case, Finding, Verdict

# The usual stream of a rate and dtype; short ones in other ranks; one of tiny calls; one of peers.
StreamKind: TypeAlias = Literal["usual", "rank", "tiny", "peers"]
TWO_VALUED: tuple[Kind, ...] = ("two-valued",)
SEVERAL_VALUED: tuple[Kind, ...] = ("several-valued",)
CONTINUOUS: tuple[Kind, ...] = ("continuous",)
ALL_LAWS: tuple[Kind, ...] = TWO_VALUED + SEVERAL_VALUED + CONTINUOUS
# Where a probe is asked: once, once a dtype, or at each rate and dtype; or at a limit of the rate.
Places: TypeAlias = Literal["once", "dtype", "rate and dtype", "rate 0", "rate 1"]


@dataclass(frozen=True)
class Probe:
    """A check with calls of its own.

    Args:
        id: `family.name`.
        question: what it asks, in plain words.
        why: what goes wrong where the answer is no.
        demands: the requirement on a target, as a standard would put it.
        how: how it is asked: what is called and what is compared.
        places: at which configurations it is asked.
        ask: asks it of the target on the bench; exact: one violation fails.
        laws: the kinds of law that it is asked of.
        own_rates: whether it asks at rates that the run does not name; not where those are fixed.
        scheduled: whether it is asked only of targets that follow a schedule.

    """

    id: str
    question: str
    why: str
    demands: str
    how: str
    places: Places
    ask: Callable[[Bench, Case], Finding]
    laws: tuple[Kind, ...] = ALL_LAWS
    own_rates: bool = False
    scheduled: bool = False


@dataclass(frozen=True)
class StreamCheck:
    """A check that judges the tables of a configuration's stream, and makes no calls.

    Args:
        id: `family.name`.
        question: what it asks, in plain words.
        why: what goes wrong where the answer is no.
        demands: the requirement on a target, as a standard would put it.
        how: how it is asked: what is counted or compared.
        spends: whether it claims a share of the error budget of its own.
        decide: the verdict on the tables as they stand; inconclusive: not yet. Cheap.
        explain: the finding for a verdict; it may weaken a `fail` that another check explains.
        waits: whether the stream goes on until this check is decided.
        needs_counts: whether it has nothing to say before the first call was read.
        context: what a unit's draw must not depend on, where the check is of that kind.
        tally: makes what is counted for it, beside what every stream counts.
        dependence: whether a failure means that units do not draw independently.
        on: the kinds of stream that it judges.
        unit: what its resolution measures; empty where it is exact.
        follows: id of the check on whose counts it depends, where it has none of its own.
        reads: id of the check whose tables it judges, too, under some laws.
        laws: the kinds of law that it is asked of.

    """

    id: str
    question: str
    why: str
    demands: str
    how: str
    spends: bool
    decide: Callable[[Stream], Verdict]
    explain: Callable[[Stream, Verdict], Finding]
    waits: bool = True
    needs_counts: bool = True
    context: Context | None = None
    tally: Callable[[Place, Sequence[Array]], Counter] | None = None
    dependence: bool = False
    on: tuple[StreamKind, ...] = ("usual",)
    unit: str = ""
    follows: str = ""
    reads: str = ""
    laws: tuple[Kind, ...] = ALL_LAWS


Check: TypeAlias = Probe | StreamCheck
