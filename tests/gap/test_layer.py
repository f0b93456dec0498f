"""All units of a layer at once: every interval holds the number, and is as narrow as was asked."""

import mpmath
import numpy as np
import pytest
from gap.exact import NAMES, SMOOTH, contains, exact
from scipy.stats import binom

import dropout_stats as ds
from dropout_stats.gap import Gap
from dropout_stats.gap.activations import BY_NAME
from dropout_stats.gap.layers.asked import asked_of
from dropout_stats.gap.layers.exponent import MOST, decays, exponent
from dropout_stats.gap.layers.frequencies import Part, spread_of
from dropout_stats.gap.layers.power_sums import LIGHT, heavy_steps, least_squares, power_sums

W, A = [[0.5, -0.25, 1.0], [0.0, 2.0, -1.0]], [[1.0, 2.0, 0.5], [0.0, -1.0, 3.0]]
RATES = (0.5, 0.01, 0.99, 0.2, 0.7, 1e-9)


def at(gaps, row, neuron):
    fields = (gaps.value, gaps.halfwidth, gaps.method, gaps.certified)
    return Gap(*(field[row, neuron] for field in fields))


def of_mixed_scales(rng, n):
    """A layer whose units are at all ends: tiny, huge, equal, zero, saturated, of many scales."""
    weights = rng.normal(size=(7, n))
    weights[0] *= 1e-5
    weights[1] *= 20.0
    weights[2] = 0.7
    weights[3] = 0.0
    weights[4] *= np.geomspace(1, 1e-6, n)
    weights[5, 0] = 30.0
    bias = np.array([0.1, 0.0, -1.0, 2.0, 300.0, -15.0, -30.0])
    inputs = np.stack((rng.normal(size=n), np.ones(n), 1e-3 * rng.normal(size=n)))
    return weights, inputs, bias


def assert_all_hold(names, layer, rate, strategy, **options):
    weights, inputs, bias = layer
    for name in names:
        asked = {"bias": bias, "rate": rate, "strategy": strategy, **options}
        gaps = ds.gap.layer(name, weights, inputs, **asked)
        for row, neuron in np.ndindex(gaps.value.shape):
            unit = weights[neuron], inputs[row]
            truth = exact([name], *unit, bias=bias[neuron], rate=rate, strategy=strategy)[name].gap
            found = at(gaps, row, neuron)
            assert found.certified
            assert contains(found, truth), (name, rate, strategy, row, neuron, found, float(truth))
    return gaps


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("strategy", ["inverted", "test-scaled"])
def test_every_interval_of_a_layer_of_mixed_scales_holds_the_gap(rate, strategy):
    rng = np.random.default_rng(1)
    layer = of_mixed_scales(rng, 5)
    method = "power-sums"  # also where it is not good enough by itself
    assert_all_hold(SMOOTH, layer, rate, strategy, tolerance=1e-7, method=method)


@pytest.mark.parametrize("name", NAMES)
def test_every_function_is_taken(name):
    rng = np.random.default_rng(2)
    weights, inputs, bias = of_mixed_scales(rng, 4)
    bias[4] = 3.0  # where exp is no double
    weights[1] = rng.normal(size=4)
    weights[5, 0] = 3.0
    layer = weights, inputs, bias
    gaps = assert_all_hold([name], layer, 0.3, "inverted", tolerance=1e-9)
    assert gaps.halfwidth.max() <= 1e-9


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("rate", [0.5, 0.1, 0.8])
@pytest.mark.parametrize("strategy", ["inverted", "test-scaled"])
def test_a_layer_is_what_its_neurons_are(name, rate, strategy):
    rng = np.random.default_rng(3)
    n, options = 300, {"rate": rate, "strategy": strategy}
    weights, inputs = rng.normal(0, np.sqrt(2 / n), (20, n)), np.abs(rng.normal(size=(3, n)))
    inputs[1, :2] = 60.0  # in no power sum
    inputs[2, 7] = 9.0
    weights[:4] *= 3
    bias = rng.normal(size=20)
    gaps = ds.gap.layer(name, weights, inputs, bias=bias, tolerance=1e-8, **options)
    assert (gaps.method == "power-sums").all()
    assert gaps.halfwidth.max() <= 1e-8
    for row, neuron in np.ndindex(3, 20):
        one = ds.gap.neuron(name, weights[neuron], inputs[row], bias=bias[neuron], **options)
        off = abs(one.value - gaps.value[row, neuron])
        assert off <= one.halfwidth + gaps.halfwidth[row, neuron]


@pytest.mark.parametrize("tolerance", [1e-3, 1e-6, 1e-9])
def test_the_tolerance_is_reached_by_sums_of_powers(tolerance):
    rng = np.random.default_rng(4)
    weights, inputs = rng.normal(0, 0.1, (30, 100)), rng.random((10, 100))
    gaps = ds.gap.layer("gelu", weights, inputs, rate=0.5, tolerance=tolerance, method="power-sums")
    assert gaps.halfwidth.max() <= tolerance
    assert (gaps.low < gaps.value).all()
    assert (gaps.high > gaps.value).all()


@pytest.mark.parametrize("rate", [0.5, 0.3])
def test_rounding_is_in_the_halfwidth(rate):
    rng = np.random.default_rng(10)
    layer = rng.normal(0, 0.4, (3, 7)), rng.normal(size=(4, 7)), np.array([0.0, 2.0, -1.0])
    options = {"tolerance": 1e-15, "method": "power-sums"}
    gaps = assert_all_hold(SMOOTH, layer, rate, "inverted", **options)
    assert gaps.halfwidth.max() < 1e-10


def test_samples_may_be_done_in_parts(monkeypatch):
    from dropout_stats.gap.layers import power_sums, series, waves

    rng = np.random.default_rng(5)
    weights, inputs = rng.normal(0, 0.4, (9, 40)), rng.normal(size=(8, 40))
    whole = ds.gap.layer("silu", weights, inputs, rate=0.4)
    monkeypatch.setattr(series, "_TOGETHER", 1)
    monkeypatch.setattr(power_sums, "_TOGETHER", 20)
    monkeypatch.setattr(waves, "_TOGETHER", 100)
    parts = ds.gap.layer("silu", weights, inputs, rate=0.4)
    assert (np.abs(whole.value - parts.value) <= whole.halfwidth + parts.halfwidth).all()
    assert parts.halfwidth.max() <= 1e-7


def test_weights_that_take_too_many_frequencies_are_done_one_at_a_time():
    rng = np.random.default_rng(9)
    weights, inputs = rng.normal(0, 300, (2, 20)), rng.random((1, 20))
    gaps = ds.gap.layer("gelu", weights, inputs, rate=0.5)
    assert (gaps.method != "power-sums").all()
    assert gaps.halfwidth.max() <= 1e-7


def test_what_sums_of_powers_do_not_reach_is_done_one_at_a_time():
    rng = np.random.default_rng(6)
    weights, inputs = rng.normal(0, 0.3, (2, 50)), rng.random((2, 50))
    gaps = ds.gap.layer("gelu", weights, inputs, rate=0.3, tolerance=1e-13)
    assert (gaps.method == "fourier").all()
    assert gaps.halfwidth.max() < 1e-12


def test_a_function_of_ones_own_is_certified_where_it_is_enumerated():
    rng = np.random.default_rng(7)
    weights = rng.normal(size=(2, 40))
    weights[0, 5:] = 0.0
    gaps = ds.gap.layer(np.tanh, weights, rng.random((1, 40)), rate=0.3, tolerance=1e-3)
    assert gaps.method.tolist() == [["enumeration", "monte-carlo"]]
    assert gaps.certified.tolist() == [[True, False]]


@pytest.mark.parametrize("name", ["gelu", "relu", "identity", np.tanh])
@pytest.mark.parametrize("strategy", ["inverted", "test-scaled"])
def test_rates_0_and_1_are_exact(name, strategy):
    bias = [0.3, -0.1]
    kept = ds.gap.layer(name, W, A, bias=bias, rate=0, strategy=strategy)
    assert not kept.value.any()
    assert not kept.halfwidth.any()
    dropped = ds.gap.layer(name, W, A, bias=bias, rate=1, strategy=strategy)
    for row, neuron in np.ndindex(2, 2):
        options = {"bias": bias[neuron], "rate": 1, "strategy": strategy}
        one = ds.gap.neuron(name, W[neuron], A[row], **options)
        assert at(dropped, row, neuron) == one


@pytest.mark.parametrize("shapes", [((0, 3), (2, 3)), ((2, 3), (0, 3)), ((2, 0), (3, 0))])
def test_empty_layers_and_batches(shapes):
    weights, inputs = (np.zeros(shape) for shape in shapes)
    for rate in (0, 0.5, 1):
        gaps = ds.gap.layer("gelu", weights, inputs, rate=rate)
        assert gaps.value.shape == gaps.method.shape == (shapes[1][0], shapes[0][0])
        assert not gaps.value.any()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"weights": W[0]}, r"weights must be those of a layer, of shape \(neurons, inputs\), got"),
        ({"inputs": A[0]}, r"inputs must be those of a batch, of shape \(batch, inputs\), got"),
        ({"inputs": [[1.0, 2.0]]}, r"must agree on the inputs, got shapes \(2, 3\) and \(1, 2\)"),
        ({"bias": [1.0]}, "one number for each of 2 neurons, got 1"),
        ({"bias": 1.0}, r"bias must be those of a layer, of shape \(neurons,\)"),
        ({"bias": [0.0, np.nan]}, r"bias must be finite, but bias\[1\] is"),
        ({"weights": [[1, 2, np.nan]]}, r"weights must be finite, but weights\[0, 2\] is"),
        ({"inputs": [[1, 2, 3], [1, np.inf, 2]]}, r"finite, but inputs\[1, 1\] is"),
        ({"weights": [["a", "b", "c"]]}, "weights must be real numbers"),
        ({"weights": [[1e200, 1, 1]]}, "must stay below"),
        ({"rate": 1.5}, r"rate must be in \[0, 1\]"),
        ({"strategy": "vanilla"}, "strategy must be 'inverted' or 'test-scaled'"),
        ({"tolerance": 0.0}, "tolerance must be positive"),
        ({"f": "gleu"}, "Did you mean 'gelu'"),
        ({"method": "power"}, "method must be None or one of "),
        ({"method": "power-sums", "f": "relu"}, "'power-sums' does not apply to f='relu' at rate"),
        ({"method": "smoothing"}, "does not apply to f='gelu' with 3 inputs"),
    ],
)
def test_what_makes_no_sense_is_refused(changes, words):
    options = {"f": "gelu", "weights": W, "inputs": A, "rate": 0.5, **changes}
    with pytest.raises(ds.UsageError, match=words):
        ds.gap.layer(options.pop("f"), options.pop("weights"), options.pop("inputs"), **options)


@pytest.mark.parametrize("name", ["gelu", "relu"])
def test_a_tolerance_that_asks_for_nothing_still_gets_the_truth(name):
    layer = np.array(W), np.array(A), np.array([0.5, -1.0])
    gaps = assert_all_hold([name], layer, 0.3, "inverted", tolerance=1e9)
    assert np.isfinite(gaps.halfwidth).all()
    assert (gaps.method != "").all()


def test_a_method_may_be_asked_for():
    gaps = ds.gap.layer("gelu", W, A, rate=0.5, method="enumeration")
    assert (gaps.method == "enumeration").all()


@pytest.mark.parametrize("rate", [0.5, 0.05, 0.8])
@pytest.mark.parametrize("tolerance", [3.0, 1e-2, 1e-5])
def test_the_radius_of_a_unit_is_seldom_exceeded(rate, tolerance):
    """Binomial laws, whose tails the bounds are nearly sharp for."""
    n, kernel = 400, BY_NAME["gelu"].kernel
    dense = asked_of(np.ones((1, n)), np.ones((1, n)), None, rate, "test-scaled")
    part = Part(BY_NAME["gelu"], kernel, dense, dense.moments(slice(None)), tolerance)
    radius, depth, alias = spread_of(part)
    away = np.abs(np.arange(n + 1) - (1 - rate) * n)
    true = binom.pmf(np.arange(n + 1), n, 1 - rate) @ np.maximum(away - radius[0, 0], 0)
    assert kernel.norm * true + kernel.tail(depth) / 2 <= alias[0, 0] <= tolerance
    assert radius[0, 0] <= 3 * np.sqrt(n * 2 * rate * (1 - rate) * np.log(1e3 / tolerance))


@pytest.mark.parametrize("name", SMOOTH)
def test_lines_and_masses_are_those_of_the_function(name):
    """f(z) = alpha + beta z + mass |z| / 2 - sign(z) integral s f'' / 2 far out, on both sides."""
    f = BY_NAME[name]
    (alpha, beta), mass = f.kernel.line, f.kernel.mass
    ends = f.values(np.array([-50.0, 50.0]))
    assert ends.mean() == pytest.approx(alpha + 25 * mass, abs=1e-12)
    slopes = np.diff(f.values(np.array([-51.0, -50.0, 50.0, 51.0])))[::2]
    assert slopes == pytest.approx([beta - mass / 2, beta + mass / 2], abs=1e-12)


@pytest.mark.parametrize("chance", [0.5, 0.3, 0.05, 1e-9])
@pytest.mark.parametrize("wanted", [1e-5, 1e-10])
def test_the_exponent_of_an_input_is_off_by_less_than_is_claimed(chance, wanted):
    fitted = exponent(chance, wanted * chance)
    assert fitted.error < 20 * chance * max(wanted, 1e-11)
    with mpmath.workdps(40):
        for x in np.linspace(0.003, 1, 200).tolist():
            theta = mpmath.mpf(MOST) * x
            true = mpmath.log(1 + chance * (mpmath.expj(theta) - 1)) - 1j * chance * theta
            real = mpmath.fsum(c * mpmath.mpf(x) ** (2 * j + 2) for j, c in enumerate(fitted.even))
            imag = mpmath.fsum(c * mpmath.mpf(x) ** (2 * j + 3) for j, c in enumerate(fitted.odd))
            assert abs(true - mpmath.mpc(real, imag)) <= fitted.error * x * x
            assert true.real <= -fitted.decay * x * x


@pytest.mark.parametrize("chance", [0.5, 0.2, 1e-6])
def test_a_factor_falls_off_as_is_claimed(chance):
    theta = np.linspace(0.01, 7, 3000)
    modulus = np.abs(1 + chance * np.expm1(1j * theta))
    for most in (0.02, 1.0, MOST, 3.5, 6.2, 7.0):
        decay = float(decays(chance, np.array([most]))[0])
        inside = theta <= most
        assert (modulus[inside] <= np.exp(-decay * theta[inside] ** 2) + 1e-15).all()


@pytest.mark.parametrize("most", [LIGHT, 2.0, 4.0])
def test_power_sums_are_those_of_the_light_steps(most):
    rng = np.random.default_rng(8)
    reach, shares = rng.normal(0, 1.5, (6, 12)), rng.uniform(-1, 1, (12, 5))
    steps = reach[:, :, None] * shares
    light = np.where(np.abs(steps) <= LIGHT, steps, 0.0)
    heavy = heavy_steps(reach, shares)
    sums = power_sums(reach, shares, heavy, most, (4, 3))
    for place, found in enumerate(sums.even):
        assert np.allclose(found, (light ** (2 * place + 2)).sum(axis=1), rtol=1e-11)
    for place, found in enumerate(sums.odd):
        assert np.allclose(found, (light ** (2 * place + 3)).sum(axis=1), rtol=1e-11, atol=1e-11)
    squares = (light**2).sum(axis=1)
    assert (least_squares(reach, shares, heavy) <= squares).all()
    assert (sums.squares >= squares * (1 - 1e-12)).all()
    beyond = np.sort(steps[np.abs(steps) > LIGHT])
    assert len(beyond) > 10
    assert (np.sort(heavy.steps) == beyond).all()
    assert (np.diff(heavy.units) >= 0).all()


def test_squares_that_vanish_leave_a_halfwidth():
    found = ds.gap.layer(
        "softplus", [[1.0], [2.0**-538]], [[2.0**498]], rate=0.5, strategy="test-scaled"
    )
    assert abs(found.value[0, 1] - 2.585e-26) <= found.halfwidth[0, 1] + 1e-29
    tiny = ds.gap.layer("gelu", [[4.946e-161]], [[0.2573]], rate=0.1)
    assert tiny.halfwidth[0, 0] > 7.2e-324


def test_a_method_is_a_word():
    with pytest.raises(ds.UsageError, match="method must be"):
        ds.gap.layer("gelu", [[1.0]], [[1.0]], rate=0.5, method=np.array(["a", "b"]))
