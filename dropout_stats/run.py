"""Doing it: draw the streams, ask the probes, file the results."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from dropout_stats import checks
from dropout_stats.call import Caller
from dropout_stats.checks.bench import Bench
from dropout_stats.checks.complaint import complaint_of
from dropout_stats.checks.inference import DETERMINISTIC
from dropout_stats.errors import TargetError
from dropout_stats.planning import Plan, PlannedCase
from dropout_stats.reproduce import reproduction
from dropout_stats.results import Case, Evidence, Finding, Result
from dropout_stats.sampler import Sampler, broken
from dropout_stats.streams import StreamPlan
from dropout_stats.target import Target


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
        seed, power = plan.asked.seed, plan.asked.power
        caller = Caller(target, plan.conventions, seed)
        self._bench = Bench(
            caller=caller,
            law=plan.law,
            conventions=plan.conventions,
            seed=seed,
            shapes=plan.shapes,
            large_shape=plan.large_shape,
            power=power,
            only_these_shapes=bool(plan.asked.shapes) or plan.conventions.max_shapes is not None,
        )
        self._noise_beside = target.noise_beside
        self._observations: dict[str, None] = dict.fromkeys(target.notes)
        self._clock = clock
        self._seconds_left = 0.0
        self._findings: dict[str, dict[str, Finding]] = {}
        self._refusals: dict[str, str] = {}

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
        finding = self._with_noise_beside(case, self._find(case))
        if finding.observation:
            self._observations[finding.observation] = None
        return Result(
            check=case.check,
            verdict=finding.verdict,
            message=finding.message,
            evidence=_evidence(finding, planned),
            case=case,
            reproduce=reproduction(self.plan, case),
            symptoms=finding.symptoms,
        )

    def _with_noise_beside(self, case: Case, finding: Finding) -> Finding:
        """The same, unless it says that evaluation repeats, and the model around it does not."""
        repeats = case.check == DETERMINISTIC.id and finding.verdict != "fail"
        if not (repeats and self._noise_beside):
            return finding
        return Finding("fail", self._noise_beside, symptoms=("elsewhere in the model",))

    def _find(self, case: Case) -> Finding:
        try:
            # Edges are tried on purpose: their floating-point warnings would only be noise.
            with np.errstate(all="ignore"):
                refusal = self._refusal(case)
                return Finding("not-applicable", refusal) if refusal else self._ask(case)
        except TargetError as error:
            return complaint_of(error).finding()
        except Exception as error:  # noqa: BLE001 - a broken check must not take the others along
            return broken(error)

    def _refusal(self, case: Case) -> str:
        """Why the target takes no such calls, where it never said that it does."""
        stream = self.plan.stream(case) if case.shape is not None else None  # probes have none
        shapes = (stream.input_shape,) if stream else self.plan.shapes
        return next(filter(None, (self._refused(case.dtype, shape) for shape in shapes)), "")

    def _refused(self, dtype: str, shape: tuple[int, ...]) -> str:
        undeclared = self.plan.conventions.leaves_out(dtype, len(shape))
        if undeclared and undeclared not in self._refusals:
            self._refusals[undeclared] = self._try(undeclared, dtype, shape)
        return self._refusals.get(undeclared, "")

    def _try(self, undeclared: str, dtype: str, shape: tuple[int, ...]) -> str:
        """Make one call of a kind that is not declared: what it raises is no fault."""
        rate = next((rate for rate in self.plan.asked.rates if 0 < rate < 1), 0.5)
        self._bench.caller.seed("refusal", dtype, shape)
        try:
            self._bench.caller.train(self._bench.inputs(shape, dtype, "refusal", dtype), rate)
        except TargetError as error:
            refusal = f"the target does not declare {undeclared}, and refuses them: {error}"
            self._observations[refusal] = None
            return refusal
        return ""

    def _ask(self, case: Case) -> Finding:
        check = checks.by_id[case.check]
        if isinstance(check, checks.Probe):
            return check.ask(self._bench, case)
        stream = self.plan.stream(case)
        if stream is None:
            return Finding("error", f"the plan has no stream for {case.id}")
        return self._stream_findings(stream)[case.check]

    def _stream_findings(self, plan: StreamPlan) -> dict[str, Finding]:
        if plan.where not in self._findings:
            # What earlier streams left unused is there for the later ones.
            self._seconds_left += self.plan.seconds_by_stream[plan.where]
            started = self._clock()
            sampler = Sampler(self._bench, plan, self._clock, self._seconds_left)
            self._findings[plan.where] = sampler.findings()
            self._seconds_left = max(0.0, self._seconds_left - (self._clock() - started))
        return self._findings[plan.where]


def _evidence(finding: Finding, planned: PlannedCase) -> Evidence | None:
    """The numbers of a finding; a failure that came early resolves what was planned."""
    evidence = finding.evidence
    if finding.verdict != "fail" or evidence is None or evidence.resolution:
        return evidence
    return replace(evidence, resolution=planned.resolution)
