"""Is the evaluation pass the law's, and the same each time?"""

from __future__ import annotations

from dropout_stats.checks.bench import Bench
from dropout_stats.checks.check import Probe
from dropout_stats.errors import TargetError
from dropout_stats.results import Case, Evidence, Finding

_NONE = Finding("not-applicable", "the target has no evaluation pass (evaluate)")


def _law(bench: Bench, case: Case) -> Finding:
    if not bench.caller.can_evaluate:
        return _NONE
    rate = case.rate or 0.0
    seen = bench.evaluation(rate, case.dtype)
    evidence = Evidence(units=seen.units, estimate=seen.factor, low=seen.low, high=seen.high)
    expected = bench.law.evaluation_factor(rate)
    if seen.worst is None:
        return Finding("pass", f"the input times {expected:.7g}, at {seen.units} units", evidence)
    if seen.factor is not None:
        what = f"the evaluation pass multiplies by {seen.factor:.7g}; expected {expected:.7g}"
    elif seen.zeros:
        what = f"the evaluation pass drops: {seen.zeros:.1%} of its outputs are 0"
    else:
        what = "the evaluation pass is no multiple of its input"
    return Finding("fail", f"{what}. {seen.worst}", evidence)


def _deterministic(bench: Bench, case: Case) -> Finding:
    if not bench.caller.can_evaluate:
        return _NONE
    try:
        seen = bench.evaluation(case.rate or 0.0, case.dtype)
    except TargetError as error:
        return Finding("not-applicable", f"see inference.law: evaluation {error.problem}")
    if seen.repeats:
        return Finding("pass", f"two passes agree in all {seen.units} outputs")
    return Finding(
        "fail",
        "two evaluation passes of the same input differ; expected equal ones: noise is drawn",
    )


def _graph(bench: Bench, case: Case) -> Finding:
    if not (bench.caller.can_evaluate and bench.caller.can_trace):
        return Finding("not-applicable", "the evaluation pass cannot be traced (operations)")
    rate = case.rate or 0.0
    x = bench.inputs(bench.largest_shape, case.dtype, case.id)
    try:
        if bench.evaluation(rate, case.dtype).worst is not None:
            return Finding("not-applicable", "see inference.law: the evaluation pass is another")
        names = bench.caller.operations(x, rate)
    except TargetError as error:
        return Finding("not-applicable", f"it was not traced: {error}")
    return _judge_graph(bench, rate, names)


def _judge_graph(bench: Bench, rate: float, names: tuple[str, ...]) -> Finding:
    if not names:
        return Finding(
            "pass", "traced, the evaluation pass hands its input on: no operation is left"
        )
    seen = f"traced, the evaluation pass is made of {', '.join(names)}"
    multiplies = bench.law.evaluation_factor(rate) != 1
    if bench.conventions.evaluation_graph == "empty" and not multiplies:
        return Finding("fail", f"{seen}; expected none: return the input in evaluation mode")
    why = (
        "the law's evaluation pass multiplies"
        if multiplies
        else "nothing is declared about the traced evaluation pass "
        "(Conventions(evaluation_graph=...))"
    )
    return Finding("not-applicable", why, observation=seen)


LAW = Probe(
    id="inference.law",
    question="Is the evaluation pass the identity (inverted) or keep_prob * a (test-scaled)?",
    why="Dropout that stays on in evaluation, or a scale in the wrong pass, changes every "
    "prediction of the trained network.",
    demands="An evaluation pass shall be the law's function of its input: the identity for "
    "inverted dropout, (1 - rate) a for test-scaled dropout.",
    how="One input of the largest shape is evaluated. The identity must be exact where the "
    "output has the type of the input; a factor has the tolerance of `support.kept_value`. "
    "Another shape, another type than declared, or a change of the caller's input fails, too.",
    places="rate and dtype",
    ask=_law,
)

DETERMINISTIC = Probe(
    id="inference.deterministic",
    question="Do two evaluation passes of one input agree in every value?",
    why="A mode flag that does not reach the kernel leaves predictions random.",
    demands="Two evaluation passes of one input shall agree in every value.",
    how="The input of `inference.law` is evaluated twice, and all values are compared; NaN "
    "agrees with NaN.",
    places="rate and dtype",
    ask=_deterministic,
)

GRAPH = Probe(
    id="inference.graph",
    question="Is the traced evaluation pass of inverted dropout free of operations?",
    why="One test network serves whatever the rate was in training only if dropout leaves nothing "
    "in it. A product with 1 is the identity, and costs a pass over memory in each prediction.",
    demands="Where evaluation_graph='empty' is declared and the law's evaluation pass is the "
    "identity, the traced evaluation pass shall hold no operation.",
    how="The target names the operations of its traced evaluation pass (`operations`), as the "
    "adapters of frameworks that trace do; those whose results nobody reads do not count. Where "
    "nothing is declared, and for laws whose evaluation pass multiplies, they are an observation. "
    "Not asked where `inference.law` fails.",
    places="dtype",
    ask=_graph,
)
