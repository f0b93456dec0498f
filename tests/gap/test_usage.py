"""What may be asked, and what is said to a question that makes no sense."""

import numpy as np
import pytest
from gap.exact import NAMES, contains, exact

import dropout_stats as ds

W, A = [0.5, -0.25, 1.0], [1.0, 2.0, 0.5]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rate": -0.1}, r"rate must be in \[0, 1\], got -0.1"),
        ({"rate": 1.5}, r"rate must be in \[0, 1\]"),
        ({"rate": float("nan")}, r"rate must be in \[0, 1\]"),
        ({"rate": "0.5"}, "rate must be a number"),
        ({"weights": [0.5, float("nan"), 1.0]}, r"weights must be finite, but weights\[1\] is"),
        ({"inputs": [1.0, 2.0, float("inf")]}, r"inputs must be finite, but inputs\[2\] is"),
        ({"weights": [0.5, 1.0]}, r"must have one shape, got \(2,\) and \(3,\)"),
        ({"weights": [[0.5, 1.0, 1.0]]}, r"of shape \(inputs,\), got shape \(1, 3\)"),
        ({"weights": ["a", "b", "c"]}, "weights must be real numbers"),
        ({"weights": [1j, 1, 1]}, "weights must be real numbers"),
        ({"weights": [1e200, 1, 1]}, "must stay below"),
        ({"bias": float("inf")}, "bias must be finite"),
        ({"strategy": "vanilla"}, "strategy must be 'inverted' or 'test-scaled'"),
        ({"tolerance": 0.0}, "tolerance must be positive"),
        ({"f": "gleu"}, "Did you mean 'gelu'"),
        ({"f": 3}, "f must be the name of a function"),
        ({"method": "fourrier"}, "Did you mean 'fourier'"),
        ({"method": "meet-in-the-middle"}, "does not apply to f='gelu' with 3 inputs; these do: "),
        ({"method": 3}, "method must be None or one of"),
        ({"method": "exact", "rate": 0}, "method must be None or one of closed-form, "),
    ],
)
def test_what_makes_no_sense_is_refused(changes, words):
    options = {"f": "gelu", "weights": W, "inputs": A, "rate": 0.5, **changes}
    with pytest.raises(ds.UsageError, match=words):
        ds.gap.neuron(options.pop("f"), options.pop("weights"), options.pop("inputs"), **options)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("tanh", -1.0, 1.0), ("sigmoid", 0.0, 1.0), ("hardtanh", -1.0, 1.0), ("relu6", 0.0, 6.0)],
)
def test_where_weights_are_enormous_the_range_of_f_still_holds(name, low, high):
    weights = np.random.default_rng(3).normal(size=30) * 1e148
    gap = ds.gap.neuron(name, weights, np.ones(30), rate=0.3)
    assert gap.halfwidth <= high - low
    mean = ds.gap.expectation(name, weights, np.ones(30), rate=0.3)
    assert low <= mean.value - mean.halfwidth
    assert mean.value + mean.halfwidth <= high


@pytest.mark.parametrize(
    "ask",
    [
        lambda: ds.gap.neuron("exp", [1000.0], [1.0], rate=1),
        lambda: ds.gap.expectation("exp", [1000.0], [1.0], rate=0),
        lambda: ds.gap.expectation("exp", [], [], bias=1000.0, rate=0.3),
        lambda: ds.gap.layer("exp", [[1000.0]], [[1.0]], rate=1),
    ],
)
def test_what_no_double_holds_is_refused_where_nothing_is_random_too(ask):
    with pytest.raises(ds.UsageError, match="more than a double can hold"):
        ask()


@pytest.mark.parametrize("ask", [ds.gap.neuron, ds.gap.expectation])
def test_a_tolerance_is_finite(ask):
    with pytest.raises(ds.UsageError, match="positive and finite"):
        ask("sigmoid", np.ones(30), np.ones(30), rate=0.5, tolerance=float("inf"))


def test_a_function_that_is_seen_not_to_be_convex_is_refused_by_the_convex_order():
    with pytest.raises(ds.UsageError, match="not convex"):
        ds.gap.neuron(
            lambda z: -np.abs(z), [0.5, -0.3, 0.2], [1, 2, 3], rate=0.5, method="convex-order"
        )


def test_products_that_vanish_leave_a_halfwidth():
    gap = ds.gap.neuron("relu", [1e-200], [1e-200], rate=0.5)
    assert gap.value == 0
    assert gap.halfwidth > 0


@pytest.mark.parametrize(
    ("number", "rate", "weight", "bias", "truth"),
    [(200, 0.01, 7.0, 700.0, 3.2618e-89), (20, 1e-17, 39.0, 700.0, 4.7246036e-30)],
)
def test_probabilities_that_vanish_are_in_the_halfwidth(number, rate, weight, bias, truth):
    """Of values so large that what is lost of their probabilities counts."""
    gap = ds.gap.neuron(
        np.exp,
        np.full(number, -weight),
        np.ones(number),
        bias=bias,
        rate=rate,
        strategy="test-scaled",
    )
    assert abs(gap.value - truth) <= gap.halfwidth * 1.001 + 1e-4 * truth


def test_weights_of_bfloat16_are_real_numbers():
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    weights = np.array([0.5, -0.25, 0.125])
    one = ds.gap.neuron("gelu", weights.astype(bfloat16), np.ones(3), rate=0.5)
    assert one == ds.gap.neuron("gelu", weights, np.ones(3), rate=0.5)


@pytest.mark.parametrize("strategy", [np.array(["inverted"]), 1, None])
def test_a_strategy_is_a_word(strategy):
    with pytest.raises(ds.UsageError, match="strategy must be"):
        ds.gap.neuron("gelu", [1.0], [1.0], rate=0.5, strategy=strategy)


def test_concave_f_has_a_gap_of_at_most_0():
    rng = np.random.default_rng(4)
    for _ in range(20):
        gap = ds.gap.neuron(
            lambda z: -np.logaddexp(0, z), rng.normal(size=8), rng.normal(size=8), rate=0.3
        )
        assert gap.certified
        assert gap.low <= 0
        assert gap.value < 0


def test_a_callable_that_raises_is_named():
    def broken(z):
        raise ZeroDivisionError("oh")

    with pytest.raises(ds.UsageError, match=r"function broken .* raised ZeroDivisionError: oh"):
        ds.gap.neuron(broken, W, A, rate=0.5)


def test_a_callable_must_be_elementwise_and_finite():
    with pytest.raises(ds.UsageError, match="must be elementwise"):
        ds.gap.neuron(np.sum, W, A, rate=0.5)
    with pytest.raises(ds.UsageError, match="must be finite"):
        ds.gap.neuron(lambda z: np.where(z > 0, np.nan, z), W, A, rate=0.5)


def test_a_callable_is_certified_where_it_is_enumerated():
    found = ds.gap.neuron(lambda z: np.maximum(z, 0), W, A, rate=0.3)
    assert found.certified
    assert found.halfwidth < 1e-14
    assert found.method == "enumeration"
    assert contains(found, exact(["relu"], W, A, rate=0.3)["relu"].gap)
    many = ds.gap.neuron(lambda z: np.maximum(z, 0), [0.1] * 40 + W, [1.0] * 40 + A, rate=0.3)
    assert many.method == "enumeration"  # 40 equal inputs have 41 sums
    rng = np.random.default_rng(1)
    wide = rng.normal(size=60), rng.random(60)
    sampled = ds.gap.neuron(lambda z: np.maximum(z, 0), *wide, rate=0.3)
    known = ds.gap.neuron("relu", *wide, rate=0.3, tolerance=1e-7)
    assert not sampled.certified
    assert sampled.halfwidth < 0.01
    assert abs(sampled.value - known.value) <= sampled.halfwidth + known.halfwidth


def test_a_step_at_a_sum_widens_the_interval_of_a_callable():
    found = ds.gap.expectation(
        lambda z: (z >= 1).astype(float),
        [0.3, 0.3, 0.4],
        [1.0] * 3,
        rate=0.5,
        strategy="test-scaled",
    )
    assert found.halfwidth >= 0.12


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("strategy", ["inverted", "test-scaled"])
def test_rates_0_and_1(name, strategy):
    options = {"bias": 0.3, "strategy": strategy}
    kept = ds.gap.neuron(name, W, A, rate=0, **options)
    assert (kept.value, kept.halfwidth, kept.certified) == (0.0, 0.0, True)
    dropped = ds.gap.neuron(name, W, A, rate=1, **options)
    at_bias = ds.gap.expectation(name, W, A, rate=1, **options)
    assert at_bias.value == ds.gap.expectation(name, [], [], rate=0.5, bias=0.3).value
    if strategy == "test-scaled":
        assert (dropped.value, dropped.halfwidth) == (0.0, 0.0)
    else:
        evaluation = ds.gap.expectation(name, W, A, rate=0, bias=0.3)
        assert dropped.value == pytest.approx(at_bias.value - evaluation.value, abs=1e-15)


def test_a_method_that_is_asked_for_is_the_one_that_answers():
    for method in ("enumeration", "fourier", "contour", "lattice", "monte-carlo"):
        assert ds.gap.neuron("gelu", W, A, rate=0.5, method=method).method == method


def test_weights_that_are_too_large_for_the_tolerance_widen_the_interval():
    found = ds.gap.neuron("gelu", [1e9, -2e9, 1.5e9], A, rate=0.3)
    assert found.certified
    assert found.halfwidth > 1e-12
    assert contains(found, exact(["gelu"], [1e9, -2e9, 1.5e9], A, rate=0.3)["gelu"].gap)


@pytest.mark.parametrize("name", ["hardswish", "elu", "relu", "gelu"])
def test_a_tolerance_that_asks_for_nothing_still_gets_the_truth(name):
    truth = exact([name], W, A, bias=2.5, rate=0.3)[name].gap
    for method in ("smoothing", "fourier", None):
        try:
            found = ds.gap.neuron(name, W, A, bias=2.5, rate=0.3, tolerance=1e9, method=method)
        except ds.UsageError:
            continue
        assert contains(found, truth)


def test_no_inputs_no_gap():
    assert ds.gap.neuron("gelu", [], [], rate=0.5).value == 0.0
    assert ds.gap.neuron("gelu", [0.0], [3.0], rate=0.5).halfwidth == 0.0


def test_lower_types_are_the_numbers_that_they_are():
    single = np.array(W, np.float32) / np.float32(3)
    one = ds.gap.neuron("gelu", single, A, rate=0.5)
    assert one == ds.gap.neuron("gelu", single.astype(float).tolist(), A, rate=0.5)


def test_a_gap_knows_its_ends():
    found = ds.gap.Gap(1.0, 0.25, "fourier", certified=True)
    assert (found.low, found.high) == (0.75, 1.25)
