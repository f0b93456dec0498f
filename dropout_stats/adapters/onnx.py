"""ONNX: a model that is one Dropout node, and what evaluates it.

The target is the class of an evaluator; what stands for the layer is the node, whose rate and mode
are inputs of the model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import onnx
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from dropout_stats import dtypes
from dropout_stats.conventions import Conventions
from dropout_stats.errors import HarnessError
from dropout_stats.laws import Inverted
from dropout_stats.laws.reading import Array
from dropout_stats.target import Output, Target

LAW = Inverted()
# The specification of the operator: the ratio lies in [0, 1), the output has the type of the input.
CONVENTIONS = Conventions(
    dtypes=dtypes.available(), rate_argument="rate", rate_domain="[0, 1)", randomness="owned"
)
_OPSET = 13  # the first with bfloat16
_IR_VERSION = 8
_TYPES = {
    "float16": TensorProto.FLOAT16,
    "bfloat16": TensorProto.BFLOAT16,
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
}
_NO_SEED = (
    "the node has no seed, which would give every run of the reference evaluator the same mask"
)


class Evaluator(Protocol):
    """Runs a model."""

    def run(self, output_names: None, feeds: dict[str, Array]) -> list[Array]:
        """Return all outputs."""
        ...


def adapt(target: Any, name: str) -> Target:
    """Adapt `onnx.reference.ReferenceEvaluator`, or a class that derives from it."""
    if not (isinstance(target, type) and issubclass(target, ReferenceEvaluator)):
        raise HarnessError(
            f"{name} is no class of evaluators such as onnx.reference:ReferenceEvaluator"
        )
    node = Node(lambda dtype, _: target(model(dtype)))
    return Target(
        train=node.train,
        evaluate=node.evaluate,
        convert=lambda x: x,  # it takes the arrays of NumPy
        name=name,
        law=LAW,
        conventions=CONVENTIONS,
        notes=(_NO_SEED,),
    )


@dataclass
class Node:
    """A dropout node; each type of input needs a model of its own.

    Args:
        make: `make(dtype, seed) -> evaluator` of the model for this type.

    """

    make: Callable[[str, int], Evaluator]
    _seed: int = 0
    _evaluators: dict[str, Evaluator] = field(default_factory=dict)

    def train(self, x: Array, rate: float) -> Output:
        """One run in training mode."""
        return Output(*self._run(x, rate, training=True))

    def evaluate(self, x: Array, rate: float) -> Array:
        """One run in evaluation mode."""
        return self._run(x, rate, training=False)[0]

    def seed(self, number: int) -> None:
        """Start again, since the generator belongs to what evaluates."""
        self._seed = number
        self._evaluators.clear()

    def _run(self, x: Array, rate: float, *, training: bool) -> list[Array]:
        dtype = x.dtype.name
        if dtype not in self._evaluators:
            self._evaluators[dtype] = self.make(dtype, self._seed)
        given = {
            "data": x,
            "ratio": np.array(rate, np.float32),
            "training_mode": np.array(training),
        }
        return self._evaluators[dtype].run(None, given)


def model(dtype: str, seed: int | None = None) -> onnx.ModelProto:
    """Make a model that is one Dropout node on inputs of this type and of any shape."""
    outer, inner = _TYPES[dtype], helper.make_tensor_value_info
    inputs = [
        inner("data", outer, None),
        inner("ratio", TensorProto.FLOAT, []),
        inner("training_mode", TensorProto.BOOL, []),
    ]
    outputs = [inner("output", outer, None), inner("mask", TensorProto.BOOL, None)]
    node = helper.make_node(
        "Dropout",
        [one.name for one in inputs],
        [one.name for one in outputs],
        **({} if seed is None else {"seed": seed}),
    )
    graph = helper.make_graph([node], "dropout", inputs, outputs)
    opset = helper.make_opsetid("", _OPSET)
    return helper.make_model(graph, opset_imports=[opset], ir_version=_IR_VERSION)
