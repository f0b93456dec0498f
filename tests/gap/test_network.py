"""The gap of a network: against many digits, all masks, one unit, and the laws that it obeys."""

import math
from dataclasses import replace
from itertools import pairwise

import mpmath
import numpy as np
import pytest
from gap.exact import NAMES, function
from scipy.special import expit, log_softmax, ndtr, softmax

import dropout_stats as ds
from dropout_stats.gap.activations import BY_NAME
from dropout_stats.gap.networks.dense import Network
from dropout_stats.gap.networks.intervals import Intervals, through
from dropout_stats.gap.networks.noise import Sampler
from dropout_stats.gap.sequence import relative_halfwidth

Dense = ds.gap.Dense
STRATEGIES = ("inverted", "test-scaled")


def network(rng, widths, f, rates, *, bias=0.3, size=1.0):
    """Hidden layers of f and a linear one, He-scaled."""
    layers = []
    for at, (inputs, outputs) in enumerate(pairwise(widths)):
        layers.append(
            Dense(
                rng.normal(0, size * (2 / inputs) ** 0.5, (outputs, inputs)),
                bias=rng.normal(0, bias, outputs) if bias else None,
                f=f if at < len(widths) - 2 else "identity",
                rate=rates[at],
            )
        )
    return layers


def masks_of(number):
    return (np.arange(2**number)[:, None] >> np.arange(number) & 1).astype(float)


def passes(layers, x, strategy, masks):
    """Training passes with these masks, one after the other in each row; in plain NumPy."""
    functions = {
        "identity": lambda z: z,
        "relu": lambda z: np.maximum(z, 0),
        "tanh": np.tanh,
        "gelu": lambda z: z * ndtr(z),
    }
    h, begin = np.broadcast_to(x, (len(masks), len(x))), 0
    for layer in layers:
        weights = np.asarray(layer.weights)
        if 0 < layer.rate < 1:
            kept = masks[:, begin : begin + weights.shape[1]]
            begin += weights.shape[1]
            h = kept * h / (1 - layer.rate if strategy == "inverted" else 1)
        h = functions[layer.f](h @ weights.T + (0 if layer.bias is None else layer.bias))
    return h


def evaluation(layers, x, strategy, factor=None):
    """The evaluation pass in plain NumPy; `factor` in place of 1 - rate where it is wrong."""
    rows = np.asarray(x)[None]
    scaled = []
    for layer in layers:
        scale = (1 - layer.rate if factor is None else factor) if layer.rate else 1.0
        weights = np.asarray(layer.weights) * (scale if strategy == "test-scaled" else 1.0)
        scaled.append(Dense(weights, bias=layer.bias, f=layer.f))
    return passes(scaled, rows[0], "inverted", np.zeros((1, 0)))[0]


def many_digits(layers, x, strategy):
    """The gap by all masks of all layers, in many digits."""
    with mpmath.workdps(60):
        start = [mpmath.mpf(float(value)) for value in x]
        trained = [mpmath.mpf(0)] * len(layers[-1].weights)
        for chance, outputs in _branches(layers, start, strategy):
            trained = [old + chance * new for old, new in zip(trained, outputs, strict=True)]
        evaluated = start
        for layer in layers:
            keep = 1 - mpmath.mpf(float(layer.rate))
            factor = mpmath.mpf(1) if strategy == "inverted" else keep
            evaluated = _layer(layer, [factor * value for value in evaluated])
        return [one - other for one, other in zip(trained, evaluated, strict=True)]


def _branches(layers, x, strategy):
    if not layers:
        yield mpmath.mpf(1), x
        return
    drop = mpmath.mpf(float(layers[0].rate))
    inputs = [(mpmath.mpf(1), [])]
    for value in x:
        kept = value / (1 - drop) if strategy == "inverted" and drop < 1 else value
        inputs = [
            (chance * weight, [*before, new])
            for chance, before in inputs
            for weight, new in ((drop, mpmath.mpf(0)), (1 - drop, kept))
            if weight
        ]
    for chance, dropped in inputs:
        for later, outputs in _branches(layers[1:], _layer(layers[0], dropped), strategy):
            yield chance * later, outputs


def _layer(layer, x):
    weights = np.asarray(layer.weights).tolist()
    biases = np.broadcast_to(0.0 if layer.bias is None else layer.bias, len(weights))
    return [
        function(
            layer.f,
            sum((mpmath.mpf(w) * v for w, v in zip(row, x, strict=True)), mpmath.mpf(float(bias))),
        )
        for row, bias in zip(weights, biases, strict=True)
    ]


def assert_holds(found, truths):
    for value, halfwidth, truth in zip(found.value[0], found.halfwidth[0], truths, strict=True):
        assert math.isfinite(halfwidth)
        assert abs(mpmath.mpf(float(value)) - truth) <= float(halfwidth) + 1e-50


@pytest.mark.parametrize("seed", range(24))
def test_every_certified_interval_holds_the_gap_in_many_digits(seed):
    rng = np.random.default_rng(seed)
    widths = [int(n) for n in rng.integers(1, 4, rng.integers(2, 5))]
    rates = rng.choice([0, 0, 0.5, 0.1, 0.97, 1e-9, 1, rng.random()], len(widths) - 1)
    name = str(rng.choice(["relu", "gelu", "tanh", "softplus", "hardswish", "elu", "square"]))
    size = float(rng.choice([0.1, 1.0, 10.0]))
    layers = network(rng, widths, name, rates.tolist(), size=size)
    x = rng.normal(size=widths[0])
    if seed % 2 and widths[0] > 1:  # terms that cancel: the first layer errs much more than u
        x[1] = x[0]
        weights = np.array(layers[0].weights)
        weights[:, :2] += np.multiply.outer(1e9 * rng.random(widths[1]), [1, -1])
        layers[0] = replace(layers[0], weights=weights)
    for strategy in STRATEGIES:
        truths = many_digits(layers, x, strategy)
        for method in (None, "unit-by-unit", "enumeration"):
            try:
                found = ds.gap.network(layers, [x], strategy=strategy, method=method)
            except ds.UsageError as error:
                assert "does not apply" in str(error)
                continue
            assert found.certified
            assert_holds(found, truths)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("name", ["relu", "gelu", "tanh"])
def test_an_inexact_first_layer_is_in_the_interval(name, strategy):
    """Its terms of 1e9 cancel: what it returns is off by 1e-7, and with it the exact gaps of it."""
    rng = np.random.default_rng(15)
    first = rng.normal(size=(3, 2)) + np.multiply.outer(1e9 * rng.random(3), [1, -1])
    layers = [
        Dense(first),
        Dense(rng.normal(size=(2, 3)), f=name, rate=0.4),
        Dense(rng.normal(size=(2, 2)), rate=0.5),
    ]
    x = np.full(2, 0.7)
    truths = many_digits(layers, x, strategy)
    found = ds.gap.network(layers, [x], strategy=strategy, tolerance=1e-13)
    assert found.method == "unit-by-unit"
    assert_holds(found, truths)
    errors = [abs(value - truth) for value, truth in zip(found.value[0], truths, strict=True)]
    assert max(errors) > 1e-10


def test_the_error_of_a_single_mask_is_in_the_interval():
    """Only the kept input makes a pass inexact, and then by much more than u of its result."""
    layers = [Dense([[1e9], [3e9]], f="relu", rate=0.3), Dense([[3.0, -1.0]], bias=1, f="tanh")]
    truths = many_digits(layers, [1.0], "inverted")
    found = ds.gap.network(layers, [[1.0]])
    assert found.method == "enumeration"
    assert_holds(found, truths)
    assert abs(found.value[0, 0] - truths[0]) > 1e-9


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("away", [0.0, 1e-9, 0.25])
def test_an_interval_through_a_function_holds_all_values(name, away):
    rng = np.random.default_rng(16)
    z = Intervals(3 * rng.normal(size=40), np.full(40, away))
    found = through(BY_NAME[name], z)
    for point, value, halfwidth in zip(z.value, found.value, found.halfwidth, strict=True):
        for share in (-1, -0.5, 0, 0.5, 1):
            with mpmath.workdps(60):
                inside = mpmath.mpf(float(point)) + share * mpmath.mpf(away)
                assert abs(function(name, inside) - float(value)) <= float(halfwidth)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("name", ["relu", "gelu", "tanh"])
def test_two_nonlinear_layers_are_exact(name, strategy):
    """Dropout behind both of them: one mask is solved unit by unit, the other is linear."""
    rng = np.random.default_rng(1)
    layers = network(rng, [5, 8, 8, 2], name, [0, 0.3, 0.4])
    x = rng.normal(size=5)
    masks = masks_of(16)
    chances = np.prod(np.where(masks == 1, [0.7] * 8 + [0.6] * 8, [0.3] * 8 + [0.4] * 8), axis=1)
    columns = (chances[:, None] * passes(layers, x, strategy, masks)).T
    listed = [math.fsum(column) for column in columns.tolist()] - evaluation(layers, x, strategy)
    found = ds.gap.network(layers, [x], strategy=strategy, tolerance=1e-12)
    assert found.method == "unit-by-unit"
    assert found.halfwidth.max() < 1e-12
    assert np.abs(found.value[0] - listed).max() < 5e-15
    other = ds.gap.network(layers, [x], strategy=strategy, method="enumeration")
    assert other.halfwidth.max() < 1e-12
    assert np.abs(other.value[0] - listed).max() < 5e-15


def test_masks_whose_probability_vanishes_are_in_the_halfwidth():
    layers = [
        Dense(np.eye(2), f="leaky_relu", rate=1e-162),
        Dense([[-390.0, -390.0]], bias=[700.0], f="exp"),
    ]
    found = ds.gap.network(layers, np.ones((1, 2)), strategy="test-scaled")
    assert abs(found.value[0, 0] - 1.0142e-20) <= found.halfwidth[0, 0] + 1e-24


def test_one_layer_is_its_units():
    rng = np.random.default_rng(2)
    layer = Dense(rng.normal(size=(3, 12)), bias=[0.1, 0.2, 0.3], f="gelu", rate=0.4)
    x = rng.random((2, 12))
    found = ds.gap.network([layer], x, strategy="test-scaled", tolerance=1e-12)
    for row in range(2):
        for unit in range(3):
            one = ds.gap.neuron(
                "gelu", layer.weights[unit], x[row], bias=layer.bias[unit], rate=0.4,
                strategy="test-scaled",
            )  # fmt: skip
            off = found.halfwidth[row, unit] + one.halfwidth
            assert abs(found.value[row, unit] - one.value) <= off
            assert found.halfwidth[row, unit] <= 1e-12


def test_masks_that_only_linear_layers_see_leave_no_gap():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(4, 6))
    for widths, f, rates in (
        ([6, 5, 4, 3], "identity", [0.3, 0.5, 0.1]),
        ([6, 5, 4, 3], "relu", [0, 0, 0.5]),
        ([6, 5, 3], "gelu", [0, 0]),
    ):
        found = ds.gap.network(network(rng, widths, f, rates), x)
        assert (found.method, found.certified) == ("closed-form", True)
        assert found.value.shape == (4, 3)
        assert not found.value.any()
        assert not found.halfwidth.any()


@pytest.mark.parametrize("rates", [[0.2, 0.5, 0.3], [0, 0.5, 0.3]])
def test_homogeneous_networks_scale_with_every_keep_prob(rates):
    """Without biases, the training pass of one strategy is a multiple of that of the other."""
    rng = np.random.default_rng(4)
    product = np.prod([1 - rate for rate in rates])
    for name in ("relu", "leaky_relu", "abs"):
        layers = network(rng, [4, 5, 5, 2], name, rates, bias=0)
        x = rng.normal(size=(2, 4))
        one = ds.gap.network(layers, x)
        other = ds.gap.network(layers, x, strategy="test-scaled")
        room = other.halfwidth + product * one.halfwidth + 1e-15 * np.abs(other.value)
        assert (np.abs(other.value - product * one.value) <= room).all()
        assert np.abs(one.value).max() > 1e-2


def test_a_wrong_factor_multiplies_homogeneous_networks_once_a_layer():
    rng = np.random.default_rng(5)
    layers = network(rng, [4, 5, 5, 2], "relu", [0.4, 0.4, 0.4], bias=0)
    x = rng.normal(size=4)
    right = evaluation(layers, x, "test-scaled")
    wrong = evaluation(layers, x, "test-scaled", factor=0.9)
    assert np.allclose(wrong, (0.9 / 0.6) ** 3 * right, rtol=1e-13, atol=0)
    assert math.isclose((0.9 / 0.6) ** 3, 3.375)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_evaluation_of_a_softmax_is_the_normalised_geometric_mean(strategy):
    """Baldi and Sadowski (2013), for both strategies; the logits themselves have no gap."""
    rng = np.random.default_rng(6)
    layers = network(rng, [4, 6, 3], "relu", [0, 0.3])
    x, masks = rng.normal(size=4), masks_of(6)
    chances = np.prod(np.where(masks == 1, 0.7, 0.3), axis=1)
    logits = passes(layers, x, strategy, masks)
    evaluated = evaluation(layers, x, strategy)
    assert np.allclose(
        softmax(chances @ log_softmax(logits, axis=1)), softmax(evaluated), rtol=1e-13
    )
    yes, no = (np.exp(chances @ np.log(expit(sign * logits))) for sign in (1, -1))
    assert np.allclose(yes / (yes + no), expit(evaluated), rtol=1e-13)
    assert ds.gap.network(layers, [x], strategy=strategy).method == "closed-form"


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("name", ["relu", "gelu"])
def test_monte_carlo_is_unbiased_and_its_interval_as_wide_as_its_spread(name, strategy):
    rng = np.random.default_rng(7)
    layers = network(rng, [4, 4, 4, 4, 2], name, [0.2, 0.4, 0.3, 0.5])
    x = rng.normal(size=(1, 4))
    exactly = ds.gap.network(layers, x, strategy=strategy)
    assert exactly.method == "enumeration"
    options = {"strategy": strategy, "masks": 2048, "method": "monte-carlo"}
    found = [ds.gap.network(layers, x, seed=seed, **options) for seed in range(60)]
    errors = np.array([one.value[0] - exactly.value[0] for one in found])
    halfwidths = np.array([one.halfwidth[0] for one in found])
    assert (np.abs(errors) <= halfwidths).all()
    draws = 2048 - (8 * 12 + 256)  # the first batch has 8 for each of the 12 controls, and 256
    deviations = halfwidths / (relative_halfwidth(draws, draws) * math.sqrt(draws))
    scores = errors / deviations
    assert np.abs(scores.mean(axis=0)).max() < 5 / math.sqrt(60)
    assert 0.6 < scores.std(axis=0).min() <= scores.std(axis=0).max() < 1.5
    assert not any(one.certified for one in found)


def test_control_variates_leave_a_fraction_of_the_variance():
    rng = np.random.default_rng(8)
    layers = network(rng, [16, 32, 32, 32, 1], "gelu", [0, 0.2, 0.2, 0.2])
    x = rng.normal(size=16)
    masks = (rng.random((4096, 96)) >= 0.2).astype(float)
    plain = passes(layers, x, "inverted", masks).std() * relative_halfwidth(4096, 4096)
    found = ds.gap.network(layers, [x], masks=4096)
    assert found.method == "monte-carlo"
    assert found.halfwidth[0, 0] < plain / 2
    sampled = passes(layers, x, "inverted", masks).mean() - evaluation(layers, x, "inverted")[0]
    assert abs(found.value[0, 0] - sampled) < plain + found.halfwidth[0, 0]


def test_one_smooth_random_layer_needs_no_draws():
    """Its exact mean is the control, and what follows is linear: next to nothing is left."""
    rng = np.random.default_rng(9)
    layers = network(rng, [6, 12, 2], "gelu", [0.3, 0.4])
    x = rng.normal(size=(1, 6))
    exactly = ds.gap.network(layers, x, tolerance=1e-12)
    sampled = ds.gap.network(layers, x, method="monte-carlo", masks=2048)
    assert sampled.halfwidth.max() < 1e-5
    assert (np.abs(sampled.value - exactly.value) <= sampled.halfwidth + exactly.halfwidth).all()


def test_a_row_is_answered_alike_whatever_other_rows_there_are():
    rng = np.random.default_rng(10)
    layers = network(rng, [30, 20, 20, 2], "tanh", [0.3, 0.3, 0.3])
    x = rng.normal(size=(3, 30))
    whole = ds.gap.network(layers, x, masks=2048, seed=5)
    alone = ds.gap.network(layers, x[1:2], masks=2048, seed=5)
    assert (whole.value[1] == alone.value[0]).all()
    other = ds.gap.network(layers, x[1:2], masks=2048, seed=6)
    assert (other.value != alone.value).all()


def test_monte_carlo_stops_at_the_tolerance():
    rng = np.random.default_rng(11)
    layers = network(rng, [30, 20, 20, 2], "tanh", [0.3, 0.3, 0.3])
    x = rng.normal(size=(1, 30))
    early = ds.gap.network(layers, x, masks=1 << 18, tolerance=0.02)
    late = ds.gap.network(layers, x, masks=1 << 18, tolerance=1e-9)
    assert late.halfwidth.max() < early.halfwidth.max() <= 0.02


def test_a_layer_that_drops_everything():
    """At rate 1 training sees zeros; inverted evaluation sees the inputs as they are."""
    rng = np.random.default_rng(12)
    layers = network(rng, [4, 5, 5, 2], "gelu", [0.3, 1, 0.5])
    x = rng.normal(size=4)
    cut = [Dense(layers[1].weights, layers[1].bias, "gelu"), layers[2]]
    after = evaluation(cut, np.zeros(5), "inverted")
    found = ds.gap.network(layers, [x])
    assert np.allclose(found.value[0], after - evaluation(layers, x, "inverted"), atol=1e-14)
    scaled = ds.gap.network(layers, [x], strategy="test-scaled")
    assert not scaled.value.any()
    assert not scaled.halfwidth.any()


def test_functions_of_ones_own():
    rng = np.random.default_rng(13)

    def mine(z):
        return z * ndtr(z)

    x = rng.normal(size=(1, 5))
    named = network(rng, [5, 4, 4, 2], "gelu", [0, 0.3, 0.3])
    own = [Dense(n.weights, n.bias, mine if n.f == "gelu" else n.f, n.rate) for n in named]
    exactly, found = ds.gap.network(named, x), ds.gap.network(own, x)
    assert (exactly.method, found.method) == ("unit-by-unit", "enumeration")
    assert found.certified
    assert (np.abs(found.value - exactly.value) <= found.halfwidth + exactly.halfwidth).all()
    wide = network(rng, [5, 40, 40, 2], "gelu", [0, 0.3, 0.3])
    own = [Dense(n.weights, n.bias, mine if n.f == "gelu" else n.f, n.rate) for n in wide]
    exactly, found = ds.gap.network(wide, x), ds.gap.network(own, x, masks=4096)
    assert not found.certified
    assert (np.abs(found.value - exactly.value) <= found.halfwidth + exactly.halfwidth).all()


def test_more_controls_than_draws_allow_are_left_out():
    rng = np.random.default_rng(14)
    layers = network(rng, [126, 126, 126, 1], "relu", [0.3, 0.3, 0.3])
    x = rng.normal(size=(1, 126))
    few = ds.gap.network(layers, x, masks=1024)  # 252 controls, fitted on 256 draws: none is taken
    many = ds.gap.network(layers, x, masks=1 << 15)
    assert abs(few.value - many.value).item() <= (few.halfwidth + many.halfwidth).item()
    masks = (rng.random((2048, 378)) >= 0.3).astype(float)
    deviation = passes(layers, x[0], "inverted", masks).std()
    assert few.halfwidth.item() < 1.2 * deviation * relative_halfwidth(768, 768)


@pytest.mark.parametrize(("masks", "controls"), [(1024, 0), (2048, 126), (8192, 252)])
def test_each_control_has_sixteen_draws(masks, controls):
    layers = network(np.random.default_rng(14), [126, 126, 126, 1], "relu", [0.3, 0.3, 0.3])
    assert Sampler(Network(tuple(layers), "inverted"), np.ones(126), masks).width == controls


def test_a_layer_is_what_it_was_when_it_was_declared():
    weights, x = np.ones((1, 3)), np.ones((1, 3))
    layer = Dense(weights, f="relu", bias=-1, rate=0.5)
    before = ds.gap.network([layer], x).value
    weights[:] = 0.0
    assert ds.gap.network([layer], x).value == before != 0


X = [[1.0, 2.0]]
ONE = Dense([[1.0, 2.0], [0.5, -1.0], [0.0, 1.0]], f="gelu", rate=0.5)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"rate": 1.5}, r"rate must be in \[0, 1\], got 1.5"),
        ({"rate": math.nan}, r"rate must be in \[0, 1\]"),
        ({"rate": "half"}, "rate must be a number"),
        ({"f": "gleu"}, "Did you mean 'gelu'"),
        ({"f": 3}, "f must be the name of a function"),
        ({"weights": [1.0, 2.0]}, r"weights must have the shape \(units, inputs\), got shape \(2,"),
        ({"weights": [[1.0, 2.0], [3.0]]}, "weights must be real numbers"),
        ({"weights": [[1.0, math.nan]]}, r"weights must be finite, but weights\[0, 1\] is"),
        ({"weights": np.zeros((0, 3))}, r"weights must not be empty, got shape \(0, 3\)"),
        ({"bias": [1.0, 2.0, 3.0]}, r"one number for each of the 2 units, got shape \(3,\)"),
        ({"bias": math.inf}, "bias must be finite"),
    ],
)
def test_a_layer_that_makes_no_sense_is_refused(arguments, words):
    with pytest.raises(ds.UsageError, match=words):
        Dense(**{"weights": [[1.0, 2.0], [3.0, 4.0]], **arguments})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"layers": []}, "layers must be at least one ds.gap.Dense"),
        ({"layers": ONE}, "layers must be a list of ds.gap.Dense"),
        ({"layers": [ONE, [[1.0, 2.0, 3.0]]]}, "each of layers must be a ds.gap.Dense"),
        (
            {"layers": [ONE, Dense([[1.0, 2.0]])]},
            r"layer 2 of 2 has weights of shape \(1, 2\) and takes 2 inputs, but layer 1 returns 3",
        ),
        ({"inputs": [[1.0, 2.0, 3.0]]}, r"layer 1 of 1 .* takes 2 inputs, but the inputs have 3"),
        ({"inputs": [1.0, 2.0]}, r"inputs must have the shape \(batch, inputs\), got shape \(2,\)"),
        ({"inputs": [[1.0, math.nan]]}, r"inputs must be finite, but inputs\[0, 1\] is nan"),
        ({"inputs": [["a", "b"]]}, "inputs must be real numbers"),
        ({"strategy": "vanilla"}, "strategy must be 'inverted' or 'test-scaled'"),
        ({"tolerance": 0.0}, "tolerance must be positive"),
        ({"masks": 10}, "masks must be at least 1024"),
        ({"masks": 1e4}, "masks must be an integer"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"method": "enumerate"}, "Did you mean 'enumeration'"),
        ({"method": 3}, "method must be None or one of"),
        ({"method": "closed-form"}, "'closed-form' does not apply to this network; these do: unit"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(arguments, words):
    options = {"layers": [ONE], "inputs": X, **arguments}
    with pytest.raises(ds.UsageError, match=words):
        ds.gap.network(options.pop("layers"), options.pop("inputs"), **options)


@pytest.mark.parametrize("method", [None, "enumeration", "monte-carlo"])
def test_what_no_double_holds_is_refused(method):
    layers = [Dense([[900.0]], f="exp", rate=0.1), Dense([[1.0]], f="relu", rate=0.1)]
    with pytest.raises(ds.UsageError, match="output of layer 1 of 2 is more than a double"):
        ds.gap.network(layers, [[1.0]], method=method)
    in_training = [Dense([[400.0]], f="exp", rate=0.9), Dense([[1.0]], f="relu", rate=0.1)]
    with pytest.raises(ds.UsageError, match="more than a double can hold"):
        ds.gap.network(in_training, [[1.0]], method=method)


def test_no_rows_no_gaps():
    for layers in ([ONE], [ONE, Dense([[1.0] * 3], f="gelu", rate=0.5)]):
        for method in (None, "monte-carlo"):
            found = ds.gap.network(layers, np.zeros((0, 2)), method=method)
            assert found.value.shape == found.halfwidth.shape == (0, len(layers[-1].weights))
