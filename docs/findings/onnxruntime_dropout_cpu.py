"""Dropout of ONNX Runtime on a processor starts each call at the seed after that of the last."""

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

RATE, CALLS, UNITS = 0.1, 20_000, 1_024


def session(seed: int | None = None) -> onnxruntime.InferenceSession:
    """A model that is one Dropout node; without a seed it takes ONNX Runtime's own."""
    value = helper.make_tensor_value_info
    inputs = [
        value("data", TensorProto.FLOAT, ["n"]),
        value("ratio", TensorProto.FLOAT, []),
        value("training_mode", TensorProto.BOOL, []),
    ]
    outputs = [value("output", TensorProto.FLOAT, ["n"]), value("mask", TensorProto.BOOL, ["n"])]
    node = helper.make_node(
        "Dropout",
        [one.name for one in inputs],
        [one.name for one in outputs],
        **({} if seed is None else {"seed": seed}),
    )
    graph = helper.make_graph([node], "dropout", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )


def masks(from_session: onnxruntime.InferenceSession, calls: int, units: int) -> np.ndarray:
    """The masks of so many calls: True is kept."""
    given = {
        "data": np.ones(units, np.float32),
        "ratio": np.array(RATE, np.float32),
        "training_mode": np.array(True),
    }
    return np.array([from_session.run(["mask"], given)[0] for _ in range(calls)])


def minimal_standard(seed: int, count: int) -> np.ndarray:
    """Uniform numbers of the generator x -> 16807 x mod (2^31 - 1), with this start."""
    modulus, x, drawn = 2**31 - 1, seed, []
    for _ in range(count):
        x = x * 16807 % modulus
        drawn.append((x - 1) / (modulus - 1))
    return np.array(drawn)


print("onnxruntime", onnxruntime.__version__)
for seed in (None, 7):
    kept = masks(session(seed), CALLS, UNITS)
    print(f"seed {seed}: kept {kept.mean():.5f} of {kept.size} units")
    same = (kept[1:] == kept[:-1]).mean(axis=0)
    print(
        f"  unit 0: kept in {kept[:, 0].sum()} of {CALLS} calls; as in the call before: {same[0]}"
    )
    print(f"  all units: as in the call before: {same.min():.4f} to {same.max():.4f}")
    print(f"  kept in {kept.mean(axis=0).min():.4f} to {kept.mean(axis=0).max():.4f} of the calls")
print(f"independent: as before {RATE**2 + (1 - RATE) ** 2:.4f}, kept {1 - RATE}")
kept = masks(session(7), 100, UNITS)
found = np.array([minimal_standard(7 + call, UNITS) >= RATE for call in range(100)])
print(
    f"100 masks from the seeds 7, 8, 9, ... of that generator: {(found == kept).mean():.6f} agree"
)
single = masks(session(7), 2_000, 1)
print(f"calls of one unit: kept in {single.sum()} of {single.size}")
