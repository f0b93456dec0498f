"""Doing it: draw the streams, ask the probes, file the results."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from dropout_stats import checks
from dropout_stats.call import Caller
from dropout_stats.checks.bench import Bench
from dropout_stats.checks.calls import masks_ran_out
from dropout_stats.checks.stream import Stream
from dropout_stats.errors import TargetError
from dropout_stats.laws.reading import Array, Reader, Reading
from dropout_stats.planning import Plan, PlannedCase, StreamPlan
from dropout_stats.results import Case, Evidence, Finding, Result, Verdict
from dropout_stats.target import Target

_INPUTS = 4  # each call gets one of so many inputs in turn
_GUARDED_CALLS = 8  # calls whose input is compared afterwards, before it is shared between calls


class Run:
    """One plan on one target. Each stream is drawn once, whoever asks first.

    Args:
        plan: what to do.
        target: the implementation under test.
        clock: seconds that pass; a test may bring its own.

    """

    def __init__(
        self, plan: Plan, target: Target, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.plan = plan
        caller = Caller(target, plan.conventions, plan.seed)
        self._bench = Bench(
            caller,
            plan.law,
            plan.conventions,
            plan.seed,
            plan.shapes,
            plan.power,
            only_these_shapes=plan.shapes_given or plan.conventions.max_shapes is not None,
        )
        self._observations: dict[str, None] = dict.fromkeys(target.notes)
        self._clock = clock
        self._seconds_left = 0.0
        self._findings: dict[tuple[float, str], dict[str, Finding]] = {}

    @property
    def observations(self) -> tuple[str, ...]:
        """What the target did where it declared nothing, and what an adapter assumed."""
        return tuple(self._observations | self._bench.observations)

    def results(self) -> Iterator[Result]:
        """Do all of it, in the order of the plan."""
        for planned in self.plan.cases:
            yield self.result(planned)

    def result(self, planned: PlannedCase) -> Result:
        """Do what one case needs."""
        case = planned.case
        finding = self._find(case)
        if finding.observation:
            self._observations[finding.observation] = None
        return Result(
            check=case.check,
            verdict=finding.verdict,
            message=finding.message,
            evidence=finding.evidence,
            case=case,
            reproduce=_reproduce(self.plan, case),
        )

    def _find(self, case: Case) -> Finding:
        check = checks.by_id[case.check]
        try:
            if isinstance(check, checks.Probe):
                return check.ask(self._bench, case)
            stream = self.plan.stream(case)
            if stream is None:
                return Finding("error", f"the plan has no stream for {case.id}")
            return self._stream_findings(stream)[case.check]
        except TargetError as error:
            return Finding("fail", str(error))
        except Exception as error:  # noqa: BLE001 - a broken check must not take the others along
            return _broken(error)

    def _stream_findings(self, plan: StreamPlan) -> dict[str, Finding]:
        place = (plan.setting.rate, plan.setting.dtype)
        if place not in self._findings:
            # What earlier streams left unused is there for the later ones.
            self._seconds_left += self.plan.seconds_by_stream[place]
            started = self._clock()
            sampler = _Sampler(self._bench, plan, self._clock, self._seconds_left)
            self._findings[place] = sampler.findings(self._judges(plan))
            self._seconds_left = max(0.0, self._seconds_left - (self._clock() - started))
        return self._findings[place]

    def _judges(self, plan: StreamPlan) -> list[checks.StreamCheck]:
        wanted = {
            planned.case.check
            for planned in self.plan.cases
            if (planned.case.rate, planned.case.dtype) == (plan.setting.rate, plan.setting.dtype)
        }
        return [
            check
            for check in checks.ALL
            if isinstance(check, checks.StreamCheck) and check.id in wanted
        ]


class _Sampler:
    """Draws one configuration's stream until every check of it is decided."""

    def __init__(
        self, bench: Bench, plan: StreamPlan, clock: Callable[[], float], seconds: float
    ) -> None:
        self._bench = bench
        self._plan = plan
        self._clock = clock
        self._seconds = seconds
        self._deadline: float | None = None  # set after the first call, which may compile
        setting = plan.setting
        self._stream = Stream(setting, evaluation_factor=self._evaluation_factor())
        self._inputs = [
            bench.inputs(setting.shape, setting.dtype, "stream", setting.rate, setting.dtype, n)
            for n in range(_INPUTS)
        ]
        self._handed = [x.copy() for x in self._inputs]
        self._readers: list[Reader] = [
            bench.law.reader(x, setting.rate, setting.output_dtype) for x in self._inputs
        ]

    def findings(self, judges: list[checks.StreamCheck]) -> dict[str, Finding]:
        """Sample, and say what each check found."""
        self._bench.caller.seed("stream", self._plan.setting.rate, self._plan.setting.dtype)
        decided: dict[str, Verdict] = {}
        found: dict[str, Finding] = {}
        open_checks = [check for check in judges if check.waits]
        while True:
            self._draw_block()
            for check in list(open_checks):
                verdict = check.decide(self._stream)
                if verdict != "inconclusive":
                    decided[check.id] = verdict
                    open_checks.remove(check)
                    found[check.id] = self._explain(check, verdict)
            if self._stream.stopped or (decided and not open_checks):
                break
            if not open_checks and self._stream.calls >= self._plan.expected_calls:
                break
        for check in judges:
            verdict = decided.get(check.id) or check.decide(self._stream)
            if check.id not in found:
                found[check.id] = self._explain(check, verdict)
            elif verdict == "fail":  # what came later may show that something else is the cause
                later = self._explain(check, verdict)
                found[check.id] = found[check.id] if later.verdict == verdict else later
        return found

    def _explain(self, check: checks.StreamCheck, verdict: Verdict) -> Finding:
        stopped = self._stream.stopped
        if not self._stream.counts.trials and check.needs_counts:
            return Finding("inconclusive", f"nothing was read: {stopped}", Evidence(0))
        try:
            finding = check.explain(self._stream, verdict)
        except Exception as error:  # noqa: BLE001 - as for a probe
            return _broken(error)
        if finding.verdict != "inconclusive" or not stopped:
            return finding
        return Finding("inconclusive", f"{finding.message}. Stopped: {stopped}", finding.evidence)

    def _draw_block(self) -> None:
        readings: list[Reading] = []
        stream = self._stream
        try:
            for _ in range(self._plan.look_every):
                readings.append(self._draw(stream.calls + len(readings)))
                if self._out_of_time():
                    break
        except TargetError as error:
            stream.broken = str(error)
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
        x = self._handed[place]
        rate = self._plan.setting.rate
        y, mask = self._bench.caller.train(x, rate)
        if y.shape != x.shape:
            call = f"train(x of shape {x.shape} {x.dtype.name}, rate={rate:g})"
            raise TargetError(call, f"returned an output of shape {y.shape}; expected {x.shape}")
        reading = self._readers[place].read(y)
        if mask is not None:
            self._stream.compare_mask(reading, mask)
        self._restore(number, place)
        return reading

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


def _broken(error: Exception) -> Finding:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" ({trace.tb_frame.f_code.co_qualname}, line {trace.tb_lineno})" if trace else ""
    return Finding("error", f"the check itself broke: {type(error).__name__}: {error}{where}")


def _reproduce(plan: Plan, case: Case) -> str:
    """The smallest run that meets this case again."""
    rate = "" if case.rate in (None, 0.0, 1.0) else f"{case.rate!r}"
    if plan.spec is not None:
        words = ["dropout-stats check", plan.spec]
        named = "--law" in plan.spec or plan.law_source == "target"
        words += [] if named else [f"--law {plan.law.name}"]
        words += ["--keep-prob"] if plan.conventions.rate_argument == "keep_prob" else []
        words += [f"--rates {rate}"] if rate else []
        words += [f"--resolution {plan.resolution!r}"] if plan.resolution_given else []
        return " ".join([*words, f"--dtypes {case.dtype} --checks {case.check} --seed {plan.seed}"])
    rates = f"rates=[{rate}], " if rate else ""
    rates += f"resolution={plan.resolution!r}, " if plan.resolution_given else ""
    return (
        f"ds.check(target, ds.laws.{plan.law}, {rates}dtypes=[{case.dtype!r}], "
        f"checks=[{case.check!r}], seed={plan.seed})"
    )
