"""tinygrad: functions and classes on its tensors; its mode is the context variable `TRAINING`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from tinygrad import Context, Tensor, helpers
from tinygrad import dtypes as types

from dropout_stats import dtypes
from dropout_stats.adapters.bridge import Bridge, declared_law
from dropout_stats.adapters.rehearsal import first_output
from dropout_stats.conventions import Conventions
from dropout_stats.errors import HarnessError
from dropout_stats.laws import AnyLaw, Inverted
from dropout_stats.laws.reading import Array
from dropout_stats.signatures import builds_layers
from dropout_stats.target import Target

LAWS: dict[str, AnyLaw] = {"dropout": Inverted()}
# Each new shape is compiled, and so is each new rate.
MAX_SHAPES = 8
CONVENTIONS = Conventions(
    dtypes=dtypes.available(),
    rate_argument="rate",
    rate_domain="[0, 1]",
    invalid_rates="raise",
    randomness="global",
    max_shapes=MAX_SHAPES,
)
# A user's own layer or function promises none of that.
_UNDECLARED = Conventions(dtypes=("float32",), randomness="unspecified", max_shapes=MAX_SHAPES)


def adapt(target: Any, name: str) -> Target:
    """Adapt a function of a tensor and the rate, or a class whose constructor takes the rate."""
    _require_mode()
    _require_compiler()
    law = declared_law(target, "tinygrad", LAWS, name)
    bridge = Bridge(
        to_native=to_tensor,
        to_numpy=to_numpy,
        vjp=_vjp,
        seed=Tensor.manual_seed,
        conventions=CONVENTIONS if law else _UNDECLARED,
        framework="tinygrad",
    )
    if builds_layers(target):
        return _in_both_modes(bridge.of_layer_class(target, name), heeds=True)
    made = bridge.of_function(target, name, law=law)
    return _in_both_modes(made, heeds=law is not None or _looks_at_mode(made))


def to_tensor(x: Array) -> Any:
    """Copy an array to a tensor of the same type."""
    # A tensor of no dimensions would become a constant, and each number a program of its own.
    flat = np.ravel(x)
    if x.dtype.name == "bfloat16":
        tensor = Tensor(flat.view(np.uint16)).bitcast(types.bfloat16)
    else:
        tensor = Tensor(flat)
    return tensor.reshape(x.shape).realize()  # a lazy copy would see what is written into x later


def to_numpy(y: Any) -> Any:
    """The tensor, or each of a tuple of them, as an array; anything else as it is."""
    if isinstance(y, tuple):
        return tuple(to_numpy(item) for item in y)
    if not isinstance(y, Tensor):
        return y
    if y.dtype == types.bfloat16:
        bits = y.realize().bitcast(types.uint16).numpy()
        return bits.view(dtypes.as_dtype("bfloat16"))
    return y.numpy()


def _vjp(call: Callable[[Any], Any], x: Any, dy: Any) -> tuple[Any, Any]:
    answer = call(x)
    y = answer[0] if isinstance(answer, tuple) else answer
    (dx,) = y.gradient(x, gradient=dy)
    y.realize(dx)  # together: what is computed has no gradient any more
    return y, dx


def _in_both_modes(made: Target, *, heeds: bool) -> Target:
    """Enter the mode around each pass; evaluation is the same call where nothing else selects it.

    Args:
        made: the target as its parameters say.
        heeds: whether the mode of the framework selects its pass.

    """
    evaluate, evaluate_vjp, notes = made.evaluate, made.evaluate_vjp, made.notes
    if evaluate is None and heeds:
        evaluate, evaluate_vjp = made.train, made.vjp
    elif evaluate is None:
        why = "it has no parameter for the mode and does not look at TRAINING"
        notes = (*notes, f"{made.name}: the evaluation pass is not judged, since {why}")
    return replace(
        made,
        train=_under(1, made.train),
        vjp=made.vjp and _under(1, made.vjp),
        evaluate=evaluate and _under(0, evaluate),
        evaluate_vjp=evaluate_vjp and _under(0, evaluate_vjp),
        notes=notes,
    )


def _under(mode: int, call: Callable[..., Any]) -> Callable[..., Any]:
    def run(*given: Any, **named: Any) -> Any:
        with Context(TRAINING=mode):
            return call(*given, **named)

    return run


class _Witness(int):
    """A mode that knows whether it was asked."""

    asked = False

    def _ask(self) -> int:
        self.asked = True
        return int.__int__(self)

    def __bool__(self) -> bool:
        return self._ask() != 0

    def __eq__(self, other: object) -> bool:
        return self._ask() == other

    def __ge__(self, other: int) -> bool:
        return self._ask() >= other

    def __gt__(self, other: int) -> bool:
        return self._ask() > other

    def __lt__(self, other: int) -> bool:
        return self._ask() < other

    __hash__ = int.__hash__


def _looks_at_mode(made: Target) -> bool:
    """Whether a call asks for the mode: a function may leave it to its caller."""
    mode = _Witness(1)
    try:
        _under(mode, first_output)(made)
    except Exception:  # noqa: BLE001 - the run says what becomes of its calls
        return False
    return mode.asked


def _require_mode() -> None:
    if not hasattr(helpers, "TRAINING"):
        raise HarnessError(
            "this tinygrad does not know Context(TRAINING=1), the mode that this adapter enters: "
            "pip install 'tinygrad>=0.14'"
        )


def _require_compiler() -> None:
    try:
        with Context(CACHELEVEL=0):
            (Tensor([1.0]) + 1).realize()
    except Exception as error:
        raise HarnessError(
            f"tinygrad cannot compute on this machine: {type(error).__name__}: {error}\n"
            "Its CPU device needs the compiler clang on the PATH; the environment variable DEV "
            "chooses another device. Nothing has been said about the dropout yet"
        ) from error
