"""The limit of wide random networks: against formulas, integrals and random networks."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expit, ndtr

import dropout_stats as ds
from dropout_stats.gap.activations import BY_NAME, activation_of
from dropout_stats.gap.networks.kernels import kernel_of, quadrature

FUNCTIONS = {
    "relu": lambda z: np.maximum(z, 0),
    "gelu": lambda z: z * ndtr(z),
    "tanh": np.tanh,
    "sigmoid": expit,
}
CORRELATIONS = (-1, -0.9, 0, 0.3, 0.9, 0.999, 1 - 1e-6, 1 - 1e-12, 1)


@pytest.mark.parametrize("name", ["identity", "relu", "leaky_relu", "abs", "square"])
@pytest.mark.parametrize("a", [1e-6, 0.1, 1.0, 10.0, 1e3])
def test_formulas_and_quadrature_agree(name, a):
    f, formula = BY_NAME[name], kernel_of(BY_NAME[name])
    for b in (0.1, 1.0, 50.0):
        size = math.sqrt(formula(a, a, a) * formula(b, b, b))
        for correlation in CORRELATIONS:
            c = correlation * math.sqrt(a * b)
            assert abs(quadrature(f, a, b, c) - formula(a, b, c)) < 1e-13 * size


@pytest.mark.parametrize("name", ["tanh", "gelu", "softplus", "sigmoid", "silu"])
@pytest.mark.parametrize(("a", "b", "correlation"), [(0.3, 2.0, 0.7), (9.0, 20.0, -0.4)])
def test_quadrature_of_a_smooth_function_is_its_trapezoidal_sum(name, a, b, correlation):
    """Which converges exponentially for functions that are analytic on a strip."""
    u = np.arange(-9, 9, 0.04)
    chances = 0.04 * np.exp(-(u**2) / 2) / math.sqrt(2 * math.pi)
    mixed = correlation * u[:, None] + math.sqrt(1 - correlation**2) * u
    f = BY_NAME[name].values
    outer = f(math.sqrt(a) * u) * chances
    truth = outer @ (f(math.sqrt(b) * mixed) @ chances)
    found = quadrature(BY_NAME[name], a, b, correlation * math.sqrt(a * b))
    assert abs(found - truth) < 1e-12 * math.sqrt(a * b)


KINKED = {
    "hardtanh": ((-1, 1), lambda z: min(max(z, -1), 1)),
    "relu6": ((0, 6), lambda z: min(max(z, 0), 6)),
    "elu": ((0,), lambda z: z if z > 0 else math.expm1(z)),
    "hardswish": ((-3, 3), lambda z: z * min(max(z + 3, 0), 6) / 6),
}


@pytest.mark.parametrize("name", KINKED)
@pytest.mark.parametrize("correlation", [0.7, -0.4])
def test_quadrature_of_a_kinked_function_is_an_adaptive_one(name, correlation):
    kinks, f = KINKED[name]
    first, second, rest = math.sqrt(3), math.sqrt(2), math.sqrt(1 - correlation**2)

    def inner(u):
        places = [(kink / second - correlation * u) / rest for kink in kinks]
        return quad(
            lambda v: f(second * (correlation * u + rest * v)) * density(v),
            -9,
            9,
            points=[place for place in places if abs(place) < 9] or None,
        )[0]

    truth = quad(
        lambda u: f(first * u) * inner(u) * density(u), -9, 9, points=[k / first for k in kinks]
    )[0]
    found = quadrature(BY_NAME[name], 3.0, 2.0, correlation * math.sqrt(6))
    assert abs(found - truth) < 1e-9


def density(x):
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def test_the_kernel_of_exp_is_a_moment():
    f = activation_of("exp")
    assert math.isclose(kernel_of(f)(0.2, 0.3, 0.1), quadrature(f, 0.2, 0.3, 0.1), rel_tol=1e-13)


@pytest.mark.parametrize("rate", [0.1, 0.5])
@pytest.mark.parametrize("name", ["relu", "leaky_relu", "abs"])
def test_training_outgrows_evaluation_by_keep_prob_a_layer(name, rate):
    found = ds.gap.mean_field(name, 12, rate=rate, weight_variance=2)
    powers = (1 - rate) ** -np.arange(12.0)
    assert np.allclose(found.training, powers * found.evaluation, rtol=1e-13, atol=0)


def test_homogeneous_networks_have_one_relative_gap_times_keep_prob_a_layer():
    """Both passes of a test-scaled one are as many times smaller: nothing changes relatively."""
    options = {"rate": 0.3, "weight_variance": 2}
    one = ds.gap.mean_field("relu", 6, **options)
    other = ds.gap.mean_field("relu", 6, strategy="test-scaled", **options)
    assert np.allclose(other.gap, one.gap, rtol=1e-7, atol=1e-7)
    assert np.allclose(other.evaluation, 0.7 ** (2 * np.arange(6.0)) * one.evaluation, rtol=1e-13)


def test_nothing_dropped_or_linear_is_no_gap():
    assert np.abs(ds.gap.mean_field("gelu", 5, rate=0, weight_variance=2).gap).max() < 1e-6
    assert np.abs(ds.gap.mean_field("identity", 5, rate=0.5, weight_variance=1).gap).max() < 1e-6
    assert ds.gap.mean_field("tanh", 1, rate=0.5, weight_variance=1).gap.tolist() == [0.0]


def squares(rng, f, options, width=256, depth=4, *, masks=400):
    """Of one random network and layer: the mean square of the gap, without bias, and of f(z).

    The product of the means over two halves of the masks has no noise in its expectation.
    """
    rate, inverted = options["rate"], options["strategy"] == "inverted"
    x = rng.normal(size=(1, width))
    trained = evaluated = x * math.sqrt(width / float((x**2).sum()))
    found = []
    for layer in range(depth):
        weights = rng.normal(0, math.sqrt(options["weight_variance"] / width), (width, width))
        biases = rng.normal(0, math.sqrt(options["bias_variance"]), width)
        if layer:
            kept = rng.random((masks, width)) >= rate
            trained = kept * trained / (1 - rate if inverted else 1)
            evaluated = evaluated * (1 if inverted else 1 - rate)
        trained = FUNCTIONS[f](trained @ weights.T + biases)
        evaluated = FUNCTIONS[f](evaluated @ weights.T + biases)
        if layer:
            one, other = np.split(trained - evaluated, 2)
            gap = (one.mean(axis=0) * other.mean(axis=0)).mean()
            found.append((gap, (evaluated**2).mean()))
    return found


@pytest.mark.parametrize(
    ("f", "weight_variance", "bias_variance", "rate", "strategy"),
    [
        ("relu", 2.0, 0.0, 0.1, "inverted"),
        ("relu", 2.0, 0.0, 0.5, "inverted"),
        ("gelu", 2.0, 0.1, 0.3, "inverted"),
        ("tanh", 1.0, 0.0, 0.5, "inverted"),
        ("tanh", 1.5, 0.2, 0.3, "test-scaled"),
        ("sigmoid", 1.0, 0.0, 0.5, "inverted"),
    ],
)
def test_random_networks_have_the_gap_of_the_recursion(
    f, weight_variance, bias_variance, rate, strategy
):
    """24 networks of width 256: five standard errors, of the spread between networks.

    At width 64, 4 to 30 % are left of what a finite width changes, a fourth of that here.
    """
    options = {
        "rate": rate,
        "weight_variance": weight_variance,
        "bias_variance": bias_variance,
        "strategy": strategy,
    }
    rng, networks = np.random.default_rng(1), 24
    found = np.array([squares(rng, f, options) for _ in range(networks)])
    gap, size = found[..., 0], found[..., 1]
    ratio = gap.mean(axis=0) / size.mean(axis=0)
    error = (gap - ratio * size).std(axis=0, ddof=1) / size.mean(axis=0) / math.sqrt(networks)
    limit = ds.gap.mean_field(f, 4, **options).gap[1:] ** 2
    assert (np.abs(ratio - limit) < 5 * error).all()
    assert (error < 0.1 * limit).all()


def test_a_function_of_ones_own_is_one_of_the_names():
    options = {"rate": 0.5, "weight_variance": 2}
    own = ds.gap.mean_field(lambda z: z * ndtr(z), 4, **options)
    named = ds.gap.mean_field("gelu", 4, **options)
    assert np.allclose(own.gap, named.gap, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"f": "gleu"}, "Did you mean 'gelu'"),
        ({"depth": 0}, "depth must be at least 1, got 0"),
        ({"depth": 2.5}, "depth must be an integer"),
        ({"rate": 1}, r"rate must be in \[0, 1\), got 1"),
        ({"rate": math.nan}, r"rate must be in \[0, 1\)"),
        ({"weight_variance": -1.0}, "weight_variance must be finite and at least 0"),
        ({"bias_variance": math.inf}, "bias_variance must be finite and at least 0"),
        ({"mean_square": "1"}, "mean_square must be a number"),
        ({"strategy": "vanilla"}, "strategy must be 'inverted' or 'test-scaled'"),
        ({"weight_variance": 0}, r"f\(z\) of layer 1 is 0 in evaluation"),
        ({"f": "exp", "depth": 9}, "the moments of layer . are more than a double can hold"),
    ],
)
def test_what_makes_no_sense_is_refused(changes, words):
    options = {"f": "relu", "depth": 3, "rate": 0.5, "weight_variance": 2.0, **changes}
    with pytest.raises(ds.UsageError, match=words):
        ds.gap.mean_field(options.pop("f"), options.pop("depth"), **options)
