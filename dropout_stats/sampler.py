"""Drawing the stream of one configuration until every check of it is decided."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dropout_stats import checks
from dropout_stats.call import Answer
from dropout_stats.checks.bench import Bench
from dropout_stats.checks.calls import masks_ran_out
from dropout_stats.checks.stream import Stream
from dropout_stats.errors import TargetError
from dropout_stats.laws.reading import AnyReader, Array, Reading
from dropout_stats.results import Evidence, Finding, Verdict
from dropout_stats.streams import StreamPlan

_INPUTS = 4  # each call gets one of so many inputs in turn
_FIRST_LOOKS = 8  # the first block is so much smaller than a later one
_GUARDED_CALLS = 8  # calls whose input is compared afterwards, before it is shared between calls


class Sampler:
    """Draws one configuration's stream until every check of it is decided."""

    def __init__(
        self,
        bench: Bench,
        plan: StreamPlan,
        clock: Callable[[], float],
        seconds: float,
    ) -> None:
        self._bench = bench
        self._plan = plan
        self._judges = [checks.stream_checks[judge] for judge in plan.judges]
        self._clock = clock
        self._seconds = seconds
        self._deadline: float | None = None  # set after the first call, which may compile
        setting = plan.setting
        self._inputs = [self._input(number) for number in range(_INPUTS)]
        self._handed = [x.copy() for x in self._inputs]
        self._readers: list[AnyReader] = [
            bench.law.reader(x, setting.rate, setting.output_dtype, peers=plan.kind == "peers")
            for x in self._inputs
        ]
        by_unit = [x if plan.kind == "peers" else bench.law.sharing.first(x) for x in self._inputs]
        tallies = {
            check.id: check.tally(setting.place, by_unit)
            for check in self._judges
            if check.tally and (check.context is None or setting.tests[check.id][0])
        }
        self._stream = Stream(setting, self._inputs, tallies, self._evaluation_factor())

    @property
    def _enough(self) -> int:
        """Calls after which a stream that fails is drawn no further: it cannot pass any more."""
        return 2 * self._plan.expected_calls

    def _input(self, number: int) -> Array:
        """One of the inputs; peers all get the same."""
        plan = self._plan
        x = self._bench.inputs(plan.input_shape, plan.setting.dtype, "stream", plan.where, number)
        return np.broadcast_to(x, plan.setting.shape).copy()

    def findings(self) -> dict[str, Finding]:
        """Sample, and say what each check found.

        All checks of the stream judge, whichever were selected: they decide together when it ends,
        and a selected case must find what it finds in the full run.
        """
        self._bench.caller.seed("stream", self._plan.where)
        decided: dict[str, Verdict] = {}
        found: dict[str, Finding] = {}
        open_checks = [check for check in self._judges if check.waits]
        while True:
            self._draw_block()
            for check in list(open_checks):
                verdict = self._decide(check)
                if verdict != "inconclusive":
                    decided[check.id] = verdict
                    open_checks.remove(check)
                    self._stream.close(
                        check.id,
                        dependent=check.dependence and verdict == "fail",
                        read_on=any(other.reads == check.id for other in open_checks),
                    )
                    found[check.id] = self._explain(check, verdict)
            if "fail" in decided.values() and self._stream.calls >= self._enough:
                self._stream.stopped = (
                    f"another check fails already, after {self._stream.calls} calls: repair that "
                    "first"
                )
            if self._stream.stopped or not open_checks:
                break
        for check in self._judges:
            verdict = decided.get(check.id) or self._decide(check)
            if check.id not in found:
                found[check.id] = self._explain(check, verdict)
            elif verdict == "fail":  # what came later may show that something else is the cause
                later = self._explain(check, verdict)
                found[check.id] = found[check.id] if later.verdict == verdict else later
        return found

    def _decide(self, check: checks.StreamCheck) -> Verdict:
        """The verdict on the tables; a check that breaks must not take the others along."""
        if check.id not in self._stream.crashed:
            try:
                return check.decide(self._stream)
            except Exception as error:  # noqa: BLE001 - as for a probe
                self._stream.crashed[check.id] = error
        return "error"

    def _explain(self, check: checks.StreamCheck, verdict: Verdict) -> Finding:
        stopped = self._stream.stopped
        if check.id in self._stream.crashed:
            return broken(self._stream.crashed[check.id])
        if not self._stream.counts.trials and check.needs_counts:
            return Finding("inconclusive", f"nothing was read: {stopped}", Evidence(0))
        try:
            finding = check.explain(self._stream, verdict)
        except Exception as error:  # noqa: BLE001 - as for a probe
            return broken(error)
        if finding.verdict != "inconclusive" or not stopped:
            return finding
        return Finding("inconclusive", f"{finding.message}. Stopped: {stopped}", finding.evidence)

    def _block_calls(self) -> int:
        """Calls before the next look: few at first, since much is decided early."""
        every = self._plan.look_every
        return min(every, max(-(-every // _FIRST_LOOKS), self._stream.calls // 4))

    def _draw_block(self) -> None:
        readings: list[Reading] = []
        stream = self._stream
        try:
            for _ in range(self._block_calls()):
                readings.append(self._draw(stream.calls + len(readings)))
                if self._out_of_time():
                    break
        except TargetError as error:
            stream.broken = error
            stream.stopped = f"the target failed at call {stream.calls + len(readings) + 1}"
        stream.add(readings)
        if stream.stopped:
            return
        if stream.calls >= self._plan.cap_calls:
            stream.stopped = f"the plan's cap of {self._plan.cap_calls} calls"
        elif self._out_of_time():
            stream.stopped = f"max_seconds, after {stream.calls} calls"
        elif masks_ran_out(stream):
            stream.stopped = f"no new mask comes, after {stream.calls} calls"

    def _out_of_time(self) -> bool:
        now = self._clock()
        if self._deadline is None:
            self._deadline = now + self._seconds
        return now > self._deadline

    def _draw(self, number: int) -> Reading:
        place = number % _INPUTS
        x, rate = self._handed[place], self._plan.setting.rate
        y, mask = self._pass(x)
        if y.shape != x.shape:
            called = "peers" if self._plan.kind == "peers" else "train"
            call = self._bench.caller.describe(called, x[0] if called == "peers" else x, rate)
            raise TargetError(call, f"returned an output of shape {y.shape}; expected {x.shape}")
        reading = self._readers[place].read(y)
        if mask is not None:
            self._stream.compare_mask(reading, mask)
        self._restore(number, place)
        return reading

    def _pass(self, x: Array) -> Answer:
        rate, caller = self._plan.setting.rate, self._bench.caller
        if self._plan.kind == "peers":
            return Answer(caller.peers(x[0], rate, len(x)), None)
        return caller.train(x, rate)

    def _restore(self, number: int, place: int) -> None:
        """Hand out a fresh input where the target writes into it.

        interface.input_unchanged accuses it; the readings must stay right all the same.
        """
        if number < _GUARDED_CALLS or self._stream.writes_input:
            if not _same(self._handed[place], self._inputs[place]):
                self._stream.writes_input = True
            self._handed[place] = self._inputs[place].copy()

    def _evaluation_factor(self) -> float | None:
        bench, setting = self._bench, self._plan.setting
        if not bench.caller.can_evaluate:
            return None
        try:
            return bench.evaluation(setting.rate, setting.dtype).factor
        except TargetError:
            return None  # inference.law fails with it


def _same(one: Array, other: Array) -> bool:
    return one.tobytes() == other.tobytes()


def broken(error: Exception) -> Finding:
    """Say that a check itself broke, and where."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" ({trace.tb_frame.f_code.co_qualname}, line {trace.tb_lineno})" if trace else ""
    return Finding("error", f"the check itself broke: {type(error).__name__}: {error}{where}")
