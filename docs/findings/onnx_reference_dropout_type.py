"""The reference evaluator of ONNX gives the output of Dropout another type than its input."""

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

TYPES = {
    TensorProto.FLOAT16: np.float16,
    TensorProto.BFLOAT16: ml_dtypes.bfloat16,
    TensorProto.FLOAT: np.float32,
}


def type_of_output(data: int, ratio: int) -> str:
    """The type that a node gives whose input, output and ratio are declared to have these."""
    value = helper.make_tensor_value_info
    inputs = [
        value("data", data, ["n"]),
        value("ratio", ratio, []),
        value("training_mode", TensorProto.BOOL, []),
    ]
    node = helper.make_node("Dropout", [one.name for one in inputs], ["output"])
    graph = helper.make_graph([node], "dropout", inputs, [value("output", data, ["n"])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    onnx.checker.check_model(model, full_check=True)
    given = {
        "data": np.ones(4, TYPES[data]),
        "ratio": onnx.numpy_helper.to_array(helper.make_tensor("ratio", ratio, [], [0.5])),
        "training_mode": np.array(True),
    }
    return ReferenceEvaluator(model).run(None, given)[0].dtype.name


print("onnx", onnx.__version__)
for data, kind in TYPES.items():
    for ratio in (TensorProto.FLOAT16, TensorProto.FLOAT, TensorProto.DOUBLE):
        name = TensorProto.DataType.Name(ratio)
        print(f"data {np.dtype(kind).name}, ratio {name}: output {type_of_output(data, ratio)}")
