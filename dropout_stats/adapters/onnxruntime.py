"""ONNX Runtime: a session that runs a model of one Dropout node."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import onnxruntime

from dropout_stats.adapters import onnx as shared
from dropout_stats.errors import HarnessError
from dropout_stats.target import Target

# Its kernel for processors has no bfloat16, and refuses ratios outside [0, 1).
CONVENTIONS = replace(
    shared.CONVENTIONS, dtypes=("float32", "float16", "float64"), invalid_rates="raise"
)
_FATAL = 4  # errors are raised, and need not be printed as well


def adapt(target: Any, name: str, *, provider: str = "CPUExecutionProvider") -> Target:
    """Adapt `onnxruntime.InferenceSession`, or a class that derives from it.

    Args:
        target: the class.
        name: how reports call it.
        provider: what executes the node.

    """
    if not (isinstance(target, type) and issubclass(target, onnxruntime.InferenceSession)):
        raise HarnessError(f"{name} is no class of sessions: onnxruntime:InferenceSession")

    def make(dtype: str, seed: int) -> shared.Evaluator:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _FATAL
        session: shared.Evaluator = target(
            shared.model(dtype, seed).SerializeToString(), options, providers=[provider]
        )
        return session

    node = shared.Node(make)
    return Target(
        train=node.train,
        evaluate=node.evaluate,
        convert=lambda x: x,  # it takes the arrays of NumPy
        seed=node.seed,
        name=name,
        law=shared.LAW,
        conventions=CONVENTIONS,
    )
