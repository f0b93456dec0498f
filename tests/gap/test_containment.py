"""Every certified interval holds the number, by whichever method it was found."""

import mpmath
import numpy as np
import pytest
from gap.exact import NAMES, PIECES, SMOOTH, adversarial, contains, exact

import dropout_stats as ds

METHODS = (
    "closed-form",
    "enumeration",
    "fourier",
    "contour",
    "lattice",
    "meet-in-the-middle",
    "smoothing",
    "convex-order",
)
QUESTIONS = {"gap": ds.gap.neuron, "expectation": ds.gap.expectation}


def ask(question, name, unit, **options):
    weights, inputs, bias, rate, strategy = unit
    return QUESTIONS[question](
        name, weights, inputs, bias=bias, rate=rate, strategy=strategy, **options
    )


def truths(names, unit):
    weights, inputs, bias, rate, strategy = unit
    return exact(names, weights, inputs, bias=bias, rate=rate, strategy=strategy)


@pytest.mark.parametrize("seed", range(16))
def test_every_interval_holds_the_exact_number(seed):
    rng = np.random.default_rng(seed)
    unit = adversarial(rng, 6)
    for name, truth in truths(NAMES, unit).items():
        for method in (*METHODS, None):
            question = ["gap", "expectation"][rng.integers(2)]
            tolerance = float(rng.choice([1e-6, 1e-12, 1e-15]))
            try:
                found = ask(question, name, unit, method=method, tolerance=tolerance)
            except ds.UsageError as error:
                assert "does not apply" in str(error) or "double can hold" in str(error)
                continue
            assert found.certified
            assert found.halfwidth < np.inf
            assert contains(found, getattr(truth, question)), (name, method, unit, found)


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("rate", [0.5, 0.1, 0.9])
def test_fourier_reaches_its_tolerance(name, rate):
    rng = np.random.default_rng(3)
    unit = rng.normal(0, 0.5, 8), rng.random(8), 0.3, rate, "test-scaled"
    found = ask("gap", name, unit, method="fourier")
    assert found.halfwidth <= 1e-12
    assert contains(found, truths([name], unit)[name].gap)


@pytest.mark.parametrize("name", PIECES)
@pytest.mark.parametrize("size", [0.5, 3.0])
def test_meeting_in_the_middle_is_near_the_last_digits(name, size):
    rng = np.random.default_rng(4)
    unit = rng.normal(0, size, 10), rng.random(10), 0.3, 0.3, "inverted"
    found = ask("gap", name, unit, method="meet-in-the-middle")
    assert found.halfwidth < 2e-12
    assert contains(found, truths([name], unit)[name].gap)


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("bias", [-30.0, 30.0])
def test_contour_keeps_the_leading_digits_of_a_saturated_unit(name, bias):
    rng = np.random.default_rng(5)
    unit = rng.normal(0, 0.5, 6), rng.random(6), bias, 0.2, "inverted"
    found = ask("gap", name, unit, method="contour")
    assert contains(found, truths([name], unit)[name].gap)
    assert found.halfwidth < 1e-9 * abs(found.value)


def test_tiny_weights_keep_leading_digits():
    rng = np.random.default_rng(6)
    unit = 1e-5 * rng.normal(size=8), np.ones(8), 0.3, 0.5, "test-scaled"
    found = ask("gap", "softplus", unit, tolerance=1e-22)
    assert contains(found, truths(["softplus"], unit)["softplus"].gap)
    assert found.halfwidth < 1e-5 * found.value


@pytest.mark.parametrize("rate", [0.5, 0.2])
def test_integer_weights_have_their_exact_law(rate):
    rng = np.random.default_rng(7)
    weights, inputs = rng.integers(-9, 10, 10).astype(float), np.full(10, 0.125)
    for strategy in ("inverted", "test-scaled"):
        unit = weights, inputs, 0.1, rate, strategy
        for name, truth in truths(["relu", "tanh"], unit).items():
            found = ask("gap", name, unit, method="lattice")
            assert found.halfwidth < 1e-13
            assert contains(found, truth.gap)


def test_products_without_a_common_divisor_have_no_small_lattice():
    from dropout_stats.gap.lattice import lattice_of
    from dropout_stats.gap.unit import layer_of

    weights = np.array([1.0 + 2.0**-52, 1.5 - 2.0**-52, 2.0**8 + 2.0**-43] * 40)
    lattice = lattice_of(layer_of(weights, np.ones(120), 0.0, 0.5, "inverted"))
    assert lattice.points > 2.0**60
    with pytest.raises(ds.UsageError, match="'lattice' does not apply"):
        ds.gap.neuron("relu", weights, np.ones(120), rate=0.5, method="lattice")


def test_methods_agree_where_nothing_can_be_enumerated():
    rng = np.random.default_rng(8)
    weights, inputs = rng.normal(0, 0.2, 32), rng.random(32)
    options = {"bias": -0.1, "rate": 0.3}
    exactly = ds.gap.neuron("relu", weights, inputs, method="meet-in-the-middle", **options)
    for method in ("smoothing", "convex-order"):
        other = ds.gap.neuron("relu", weights, inputs, method=method, tolerance=1e-8, **options)
        assert abs(other.value - exactly.value) <= other.halfwidth + exactly.halfwidth
    integers = rng.integers(-20, 21, 60) / 64.0
    for name, method in (("gelu", "fourier"), ("relu", "smoothing"), ("elu", "smoothing")):
        by_law = ds.gap.neuron(name, integers, np.ones(60), method="lattice", **options)
        other = ds.gap.neuron(name, integers, np.ones(60), method=method, **options)
        assert other.halfwidth < 1e-5
        assert abs(other.value - by_law.value) <= other.halfwidth + by_law.halfwidth


def test_monte_carlo_is_near_and_says_that_it_is_not_certified():
    rng = np.random.default_rng(9)
    weights, inputs = rng.normal(0, 0.3, 50), rng.random(50)
    sampled = ds.gap.neuron("gelu", weights, inputs, rate=0.4, method="monte-carlo")
    proved = ds.gap.neuron("gelu", weights, inputs, rate=0.4)
    assert not sampled.certified
    assert proved.certified
    assert abs(sampled.value - proved.value) <= sampled.halfwidth < 1e-2


@pytest.mark.parametrize("name", NAMES)
def test_computed_functions_err_as_little_as_is_claimed(name):
    from gap.exact import function

    from dropout_stats.gap.activations import BY_NAME

    rng = np.random.default_rng(10)
    sizes = rng.choice([1e-12, 1e-3, 1.0, 5.0, 30.0], 400)
    points = np.concatenate((rng.normal(size=400) * sizes, [0.0, -1.0, 1.0, 3.0, -3.0, 6.0]))
    f = BY_NAME[name]
    for point, value in zip(points.tolist(), f.values(points).tolist(), strict=True):
        allowed = 2.0**-53 * (f.relative * abs(value) + f.absolute)
        assert abs(mpmath.mpf(value) - function(name, point)) <= allowed + 1e-300


def test_elementary_functions_err_as_little_as_is_assumed():
    rng = np.random.default_rng(11)
    sizes = 10.0 ** rng.uniform(-9, 6, 600)
    points = rng.choice([-1, 1], 600) * sizes
    roundoff = 8 * 2.0**-53
    with mpmath.workdps(60):
        for x in points.tolist():
            assert abs(mpmath.mpf(np.sin(x)) - mpmath.sin(x)) <= roundoff * min(1, abs(x))
            assert abs(mpmath.mpf(np.cos(x)) - mpmath.cos(x)) <= roundoff
        for f, true in ((np.exp, mpmath.exp), (np.expm1, mpmath.expm1), (np.tanh, mpmath.tanh)):
            for x in points[sizes < 600].tolist():
                assert abs(mpmath.mpf(f(x)) - true(x)) <= roundoff * abs(true(x))
        for x in sizes.tolist():
            for f, true in ((np.log, mpmath.log), (np.log1p, mpmath.log1p)):
                assert abs(mpmath.mpf(f(x)) - true(x)) <= roundoff * abs(true(x))
        for x, y in zip(points.tolist(), points[::-1].tolist(), strict=True):
            angle = mpmath.atan2(x, y)
            assert abs(mpmath.mpf(np.arctan2(x, y)) - angle) <= roundoff * abs(angle)
            length = mpmath.hypot(x, y)
            assert abs(mpmath.mpf(np.abs(complex(x, y))) - length) <= roundoff * length
        vectors = np.sin(points), np.cos(points)
        for x, sine, cosine in zip(points.tolist(), *(v.tolist() for v in vectors), strict=True):
            assert abs(mpmath.mpf(sine) - mpmath.sin(x)) <= roundoff * min(1, abs(x))
            assert abs(mpmath.mpf(cosine) - mpmath.cos(x)) <= roundoff


@pytest.mark.parametrize("name", NAMES)
def test_slopes_and_curvatures_are_bounded_as_claimed(name):
    from dropout_stats.gap.activations import BY_NAME

    f, z = BY_NAME[name], np.linspace(-9, 9, 20_001)
    slope = np.diff(f.values(z)) / np.diff(z)
    assert np.abs(slope).max() <= f.lipschitz * (1 + 1e-9)
    if np.isfinite(f.curvature):
        assert np.abs(np.diff(slope) / np.diff(z)[1:]).max() <= f.curvature + 1e-6
