"""Is it the adapter or the implementation? Each broken in each way, and the right one is named."""

import numpy as np
import pytest
from click.testing import CliRunner

import dropout_stats as ds
from dropout_stats.adapters.bridge import Bridge
from dropout_stats.cli import cli

IMPLEMENTATION = """
import numpy as np

rng = np.random.default_rng()

def seed(number):
    global rng
    rng = np.random.default_rng(number)

def dropout(x, rate, training=True):
    if not training:
        return x
    if rate == 1:
        raise ValueError("the rate must be below 1")
    if x.dtype == np.float16:
        raise TypeError("no half precision")
    return np.where(rng.random(x.shape) >= rate, x / (1 - rate), 0).astype(x.dtype)

def promotes(x, rate):
    return dropout(x, rate).astype(np.float64)

def makes_nan(x, rate):
    return dropout(x, rate) * np.nan

def constant(x, rate):
    return np.where(np.random.default_rng(0).random(x.shape) >= rate, x, 0)

def raises(x, rate):
    raise RuntimeError("out of memory")
"""


@pytest.fixture
def made(tmp_path, monkeypatch):
    """The implementation, in a file of its own."""
    import importlib
    import sys

    (tmp_path / "implementation_of_dropout.py").write_text(IMPLEMENTATION)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("implementation_of_dropout")
    del sys.modules["implementation_of_dropout"]


def reached(made, **changes):
    """A right adapter, but for the changes."""
    parts = {
        "train": made.dropout,
        "evaluate": lambda x, rate: made.dropout(x, rate, training=False),
        "vjp": lambda x, dy, rate: (x, dy),
        "seed": made.seed,
        "convert": lambda x: x,
    }
    return ds.Target(**{**parts, **changes})


def blamed(target, **options):
    return {remark.question: remark.blame for remark in ds.smoke(target, **options) if remark.blame}


def held_to(**conventions):
    return {"conventions": ds.Conventions(**conventions)}


def test_a_right_adapter_of_a_right_implementation(made):
    remarks = ds.smoke(reached(made))
    assert not [str(one) for one in remarks if one.blame]
    assert [one.question for one in remarks] == [
        "arrays go there and back",
        "training pass in float32",
        "evaluation pass",
        "gradient",
        "the seed reaches the noise",
        "declared rates",
    ]


@pytest.mark.parametrize(
    ("changes", "question"),
    [
        ({"convert": lambda x: x.astype(np.float64)}, "arrays go there and back"),
        ({"convert": lambda x: x.tolist()}, "arrays go there and back"),
        ({"convert": lambda x: x + 0.0}, "arrays go there and back"),  # -0.0 becomes +0.0
        ({"convert": lambda x: x.ravel()}, "arrays go there and back"),
        ({"convert": lambda x: x.no_such_method()}, "arrays go there and back"),
        ({"train": lambda x, rate: object()}, "training pass in float32"),
        ({"evaluate": lambda x, rate, mode: x}, "evaluation pass"),
        ({"vjp": lambda x, dy, rate: (x, None)}, "gradient"),
        ({"vjp": lambda x, dy, rate: dy}, "gradient"),
        ({"seed": lambda number: None}, "the seed reaches the noise"),
    ],
)
def test_a_broken_adapter(made, changes, question):
    assert blamed(reached(made, **changes))[question] == "adapter"


def test_an_adapter_whose_seed_ignores_its_number(made):
    found = blamed(reached(made, seed=lambda number: made.seed(3)))
    assert found == {"the seed reaches the noise": "adapter"}


def test_nothing_is_asked_of_randomness_of_which_nothing_is_declared(made):
    target = reached(made, seed=lambda number: None, **held_to(randomness="unspecified"))
    assert not blamed(target)


def test_the_gradient_of_a_wider_output_is_that_of_its_input(made):
    def vjp(x, dy, rate):
        assert dy.dtype == np.float64
        return x.astype(np.float64), x

    changes = {"train": made.promotes, "evaluate": None, "vjp": vjp}
    assert not blamed(reached(made, **changes, **held_to(compute_dtype="float64")))


def test_a_remark_is_one_line(made):
    def train(x, rate):
        raise ValueError("several\nlines")

    assert all(len(str(one).splitlines()) == 1 for one in ds.smoke(reached(made, train=train)))


def test_an_adapter_that_declares_what_the_implementation_refuses(made):
    found = ds.smoke(reached(made, **held_to(dtypes=("float32", "float16"))))
    remark = next(one for one in found if one.blame)
    assert str(remark).startswith("adapter: training pass in float16: float16 is declared, but")
    assert "no half precision" in remark.said
    found = blamed(reached(made, **held_to(rate_domain="[0, 1]")))
    assert found == {"declared rates": "adapter"}


@pytest.mark.parametrize("name", ["promotes", "makes_nan", "raises"])
def test_a_broken_implementation(made, name):
    function = getattr(made, name)

    def train(x, rate):
        return function(x, rate)

    for target in (function, reached(made, train=train)):
        assert blamed(target)["training pass in float32"] == "implementation"


def test_an_error_in_what_describes_a_target_may_be_due_to_either(made):
    found = blamed(reached(made, train=lambda x, rate: x.no_such_method()))
    assert found == {"training pass in float32": "adapter or implementation"}


def test_an_output_of_another_type_is_nobodys_before_arrays_are_known_to_come_back(made):
    found = blamed(reached(made, train=made.promotes, convert=None))
    assert found == {"training pass in float32": "adapter or implementation"}


def test_noise_that_never_changes_may_be_due_to_either(made):
    found = blamed(reached(made, train=made.constant))
    assert found == {"the seed reaches the noise": "adapter or implementation"}


def test_the_bridge_of_a_framework_says_how_arrays_are_converted(made):
    class Boxed:
        def __init__(self, values):
            self.values = values

    def unboxed(x):
        return x.values if isinstance(x, Boxed) else x

    bridge = Bridge(to_native=Boxed, to_numpy=unboxed)
    target = bridge.of_function(lambda x, rate: Boxed(made.dropout(x.values, rate)), "boxed")
    assert not blamed(target)
    narrow = Bridge(to_native=Boxed, to_numpy=lambda y: unboxed(y).astype(np.float16))
    found = blamed(narrow.of_function(lambda x, rate: Boxed(made.dropout(x.values, rate)), "boxed"))
    assert found["arrays go there and back"] == found["training pass in float32"] == "adapter"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "target = ds.Target(train=made.dropout, seed=made.seed)",
            (0, "OK  the adapter reaches"),
        ),
        (
            "target = ds.Target(train=lambda x, rate: made.raises(x, rate))",
            (
                1,
                "implementation: training pass in float32: train(x of shape (16, 1024) float32, "
                "rate=0.3) raised RuntimeError: out of memory",
            ),
        ),
        (
            "target = ds.Target(train=lambda x, rate: None)",
            (2, "adapter: training pass in float32"),
        ),
    ],
)
def test_the_command_says_it_in_lines_and_in_its_status(
    made, tmp_path, monkeypatch, line, expected
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "described.py").write_text(
        f"import dropout_stats as ds\nimport implementation_of_dropout as made\n{line}\n"
    )
    done = CliRunner().invoke(cli, ["check", "described.py:target", "--smoke"])
    assert done.exit_code == expected[0], done.output
    assert expected[1] in done.output


@pytest.mark.filterwarnings("default")  # imports of frameworks warn
@pytest.mark.parametrize(
    "spec",
    [
        pytest.param("torch.nn:Dropout", marks=pytest.mark.framework("torch")),
        pytest.param("torch.nn:Dropout2d", marks=pytest.mark.framework("torch")),
        pytest.param("torch.nn:AlphaDropout", marks=pytest.mark.framework("torch")),
        pytest.param("equinox.nn:Dropout", marks=pytest.mark.framework("equinox")),
        pytest.param("flax.nnx:Dropout", marks=pytest.mark.framework("flax")),
        pytest.param("flax.linen:Dropout", marks=pytest.mark.framework("flax")),
        pytest.param("haiku:dropout", marks=pytest.mark.framework("haiku")),
        pytest.param("penzai.nn.dropout:StochasticDropout", marks=pytest.mark.framework("penzai")),
        pytest.param("tensorflow.nn:dropout", marks=pytest.mark.framework("tensorflow")),
        pytest.param("paddle.nn:Dropout", marks=pytest.mark.framework("paddle")),
        pytest.param("paddle.nn:Dropout2D", marks=pytest.mark.framework("paddle")),
        pytest.param("mlx.nn:Dropout", marks=pytest.mark.framework("mlx")),
        pytest.param("mlx.nn:Dropout3d", marks=pytest.mark.framework("mlx")),
        pytest.param("thinc.api:Dropout", marks=pytest.mark.framework("thinc")),
        pytest.param(
            "onnxruntime:InferenceSession", marks=pytest.mark.framework("onnx", "onnxruntime")
        ),
    ],
)
def test_every_adapter_of_this_library_reaches_its_target(spec):
    assert not [str(remark) for remark in ds.smoke(spec) if remark.blame]
