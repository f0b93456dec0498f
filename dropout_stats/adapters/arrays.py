"""Which framework's arrays a function or class of the user's own takes, where nothing says it.

An annotation says it. Otherwise a framework counts only where the code refers to it, and then one
call each way tells: a function on NumPy arrays may use a framework inside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

from dropout_stats.adapters.rehearsal import first_output
from dropout_stats.callables import underlying
from dropout_stats.errors import DropoutStatsError, HarnessError, UsageError
from dropout_stats.target import Target

# The root package of an array, a module or a function, and the adapter for its arrays.
_ADAPTERS = {
    "numpy": "numpy",
    "torch": "torch",
    "jax": "jax",
    "jaxlib": "jax",
    "equinox": "jax",
    "flax": "jax",
    "keras": "keras",
    "mlx": "mlx",
    "paddle": "paddle",
    "tensorflow": "tensorflow",
    "tinygrad": "tinygrad",
}
_ARRAYS = ("ndarray", "Tensor", "Array", "array")
_DEPTH = 2  # functions that the code calls, and those that they call


class Choice(NamedTuple):
    """What was chosen.

    Args:
        framework: the adapter.
        target: what it made.
        note: why, for the report; None where there was nothing to choose.

    """

    framework: str
    target: Target
    note: str | None


def choose(found: Any, name: str, adapt: Callable[[str], Target]) -> Choice:
    """Choose the arrays that a function or class of the user's own is called with.

    Args:
        found: the function or class.
        name: how reports call it.
        adapt: `adapt(framework) -> target`.

    Raises:
        HarnessError: it answered neither NumPy arrays nor those of a framework that it refers to.

    """
    annotated = _annotated(found)
    if annotated:
        framework, why = annotated
        note = None if framework == "numpy" else _note(name, framework, why)
        return Choice(framework, adapt(framework), note)
    frameworks = sorted(set(_referred(found)))
    if not frameworks:
        return Choice("numpy", adapt("numpy"), None)
    plain = _try("numpy", adapt)
    if plain.target and plain.returned in (None, "numpy"):
        return Choice("numpy", plain.target, None)
    others = [_try(framework, adapt) for framework in frameworks]
    for framework, other in zip(frameworks, others, strict=True):
        if other.target and other.returned:
            return Choice(framework, other.target, _note(name, framework, plain.said))
    if plain.target:
        note = f"{name} was called with NumPy arrays, although {plain.said}"
        return Choice("numpy", plain.target, note)
    raise _neither(name, dict(zip(("numpy", *frameworks), (plain, *others), strict=True)))


class _Trial(NamedTuple):
    """One call: the target where it answered, whose array it returned, and that in words."""

    target: Target | None
    returned: str | None
    said: str
    error: Exception | None = None


def _try(framework: str, adapt: Callable[[str], Target]) -> _Trial:
    try:
        target = adapt(framework)
        output = first_output(target)
    except UsageError as error:
        return _Trial(None, None, "the options are those of that adapter", error)
    except HarnessError as error:
        if error.__cause__ is None:  # not of a call: no other arrays would help
            raise
        return _Trial(None, None, _raised(framework, error.__cause__), error)
    except Exception as error:  # noqa: BLE001 - whatever it does with arrays that are not its own
        return _Trial(None, None, _raised(framework, error), error)
    returned = _ADAPTERS.get(_root(type(output)))
    said = f"it returned an array of {returned} for a NumPy array"
    return _Trial(target, returned, said)


def _raised(framework: str, error: BaseException) -> str:
    text = " ".join(str(error).split())
    short = text if len(text) <= 100 else f"{text[:100]}..."
    what = "a NumPy array" if framework == "numpy" else f"an array of {framework}"
    return f"{what} made it raise {type(error).__name__}: {short}"


def _neither(name: str, trials: dict[str, _Trial]) -> DropoutStatsError:
    for trial in list(trials.values())[1:]:
        if isinstance(trial.error, DropoutStatsError):
            return trial.error  # it says which parameter or option may be the reason
    said = "\n".join(f"    {trial.said}" for trial in trials.values())
    framework = list(trials)[1]
    return HarnessError(
        f"{name} was called with arrays of {' and '.join(trials)}, and answered none:\n{said}\n"
        f"So nothing was said about the dropout. Say which arrays it takes, and it is judged: "
        f"--option framework={framework}, in Python dropout_stats.adapt(..., "
        f'framework="{framework}")'
    )


def _note(name: str, framework: str, why: str) -> str:
    return (
        f"{name} was called with arrays of {framework}, since {why}; --option framework=numpy "
        "calls it with NumPy arrays"
    )


def _functions(found: Any) -> list[Any]:
    """The functions of a class that do the work, or the function below a callable."""
    function = underlying(found)
    if not isinstance(function, type):
        return [function] if isinstance(function, FunctionType) else []
    names = ("__call__", "forward", "__init__")
    methods = [
        underlying(vars(base)[n]) for n in names for base in function.__mro__ if n in vars(base)
    ]
    return [method for method in methods if isinstance(method, FunctionType)]


def _annotated(found: Any) -> tuple[str, str] | None:
    """The framework of an annotated parameter, and the annotation in words."""
    for function in _functions(found):
        try:
            hints = get_type_hints(function)
        except Exception:  # noqa: BLE001, S112 - annotations are arbitrary code of others
            continue
        for parameter, hint in hints.items():
            framework = next(filter(None, map(_array_of, (hint, *get_args(hint)))), None)
            if framework:
                what = "its result" if parameter == "return" else f"its parameter {parameter!r}"
                return framework, f"{what} is annotated as an array of {framework}"
    return None


def _array_of(hint: Any) -> str | None:
    kind = get_origin(hint) or hint
    known = str(getattr(kind, "__name__", "")).rpartition(".")[2] in _ARRAYS  # jaxlib._jax.Array
    return _ADAPTERS.get(_root(kind)) if known else None


def _referred(found: Any) -> Iterator[str]:
    """The frameworks that the code refers to, other than NumPy."""
    for function in _functions(found):
        for root in _roots(function, _DEPTH):
            framework = _ADAPTERS.get(root, "numpy")
            if framework != "numpy":
                yield framework


def _roots(function: FunctionType, depth: int) -> Iterator[str]:
    names = set(_names(function.__code__))
    yield from {name.partition(".")[0] for name in names} & _ADAPTERS.keys()  # imported inside
    for value in _values(function, names):
        yield _root(value)
        for inner in _functions(value) if depth else ():
            if _root(inner) not in _ADAPTERS:
                yield from _roots(inner, depth - 1)


def _values(function: FunctionType, names: Iterable[str]) -> Iterator[Any]:
    """What the names of a function stand for, and the attributes of its modules so named."""
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not filled yet
            continue
    for name in sorted(names):
        value = function.__globals__.get(name)
        if value is None:
            continue
        yield value
        if isinstance(value, ModuleType) and _root(value) not in _ADAPTERS:
            yield from (vars(value)[n] for n in sorted(names) if n in vars(value))


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _root(value: Any) -> str:
    place = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
    return str(place).partition(".")[0]
