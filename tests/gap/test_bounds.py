"""The bounds that the proofs use, each against what it bounds."""

import math

import mpmath
import numpy as np
import pytest
from gap.exact import SMOOTH
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import binom

from dropout_stats.gap.activations import BY_NAME
from dropout_stats.gap.fourier import length_for, series, step_for
from dropout_stats.gap.frequency import Weighted, excess
from dropout_stats.gap.rounding import prefix_sums, tree_sum
from dropout_stats.gap.tails import excursion, log_moment
from dropout_stats.gap.unit import layer_of


def _logistic(s):
    return expit(s) * expit(-s)


def _bend(s):
    return _logistic(s) * (1 - 2 * expit(s))


SECOND = {
    "softplus": _logistic,
    "sigmoid": _bend,
    "tanh": lambda s: 8 * _bend(2 * s),
    "silu": lambda s: 2 * _logistic(s) + s * _bend(s),
    "gelu": lambda s: (2 - s * s) * math.exp(-s * s / 2) / math.sqrt(2 * math.pi),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_transforms_norms_and_tails_are_those_of_the_second_derivative(name):
    kernel, bend = BY_NAME[name].kernel, SECOND[name]
    for t in (0.1, 0.7, 2.0):
        wave = (lambda s, t=t: -bend(s) * math.sin(t * s)) if kernel.odd else (
            lambda s, t=t: bend(s) * math.cos(t * s)
        )  # fmt: skip
        integral = quad(wave, -40, 40, limit=400)[0]
        assert math.isclose(float(kernel.transform(np.array([t]))[0]), integral, abs_tol=1e-7)
    assert quad(lambda s: abs(bend(s)), -40, 40, limit=400)[0] <= kernel.norm + 1e-9
    for depth in (0.5, 2.0, 5.0):
        beyond = quad(lambda s, d=depth: 4 * (s - d) * abs(bend(s)), depth, 60, limit=400)[0]
        assert beyond <= kernel.tail(depth)
    rates = kernel.steepest * np.array([0.01, 0.2, 0.5, 0.9])
    for rate, moment in zip(rates.tolist(), kernel.moment(rates).tolist(), strict=True):
        for sign in (1, -1):
            size = quad(lambda s, r=sign * rate: abs(bend(s)) * math.exp(r * s), -40, 40, limit=900)
            assert 0.2 * moment <= size[0] <= moment * (1 + 1e-9)


@pytest.mark.parametrize("name", SMOOTH)
def test_what_a_series_leaves_out_is_bounded(name):
    kernel = BY_NAME[name].kernel
    step = step_for(8.0)
    short = series(kernel, step, 1e-3)
    number = len(short.frequencies)
    k = 2.0 * np.arange(number, number + 400) + 1
    left = 4 / (math.pi * step) * np.abs(kernel.transform(k * step)) / k**2
    assert left.sum() <= short.cut <= 1e-3


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("theta", [0.2, 0.5, 0.9])
def test_areas_and_envelopes_bound_the_transform_on_a_line(name, theta):
    laplace = BY_NAME[name].laplace
    t = np.linspace(0.01, 12, 4000)
    size = np.abs(laplace.transform(theta, t))
    assert 2 * np.trapezoid(size, t) <= laplace.area(theta)
    assert all(
        value <= laplace.envelope(theta, x) * (1 + 1e-12)
        for x, value in zip(t.tolist(), size.tolist(), strict=True)
    )


@pytest.mark.parametrize("rate", [0.5, 0.1, 0.01])
def test_an_excursion_is_bounded(rate):
    rng = np.random.default_rng(1)
    unit = layer_of(rng.normal(size=12), rng.random(12), 0.0, rate, "test-scaled").unit()
    kept = (np.arange(2**12)[:, None] >> np.arange(12) & 1).astype(float)
    chances = np.prod(np.where(kept == 1, unit.chance, 1 - unit.chance), axis=1)
    away = np.abs((kept - unit.chance) @ unit.steps)
    assert away.max() <= unit.reach <= 1.01 * away.max()
    assert math.sqrt(chances @ away**2) <= unit.deviation * (1 + 1e-12)
    for radius in np.linspace(0, away.max() * 1.01, 40):
        true = chances @ np.maximum(away - radius, 0)
        assert true <= excursion(unit, float(radius)) + 1e-15


@pytest.mark.parametrize("rate", [0.5, 0.1, 0.01])
def test_log_moments_are_bounded(rate):
    """Those of the exact law of few inputs, in both directions; nearly sharp for small rates."""
    rng = np.random.default_rng(7)
    for size in (1e-3, 1.0, 50.0):
        unit = layer_of(size * rng.normal(size=8), np.ones(8), 0.3, rate, "test-scaled").unit()
        rates = np.geomspace(1e-3, 30, 60) / size
        bounds = log_moment(unit, rates)
        for way in (1, -1):
            turns = np.exp(way * np.outer(rates, unit.steps))
            logs = np.log1p(unit.chance * (turns - 1)).sum(axis=1)
            true = logs - way * rates * unit.chance * unit.steps.sum()
            assert (true <= bounds * (1 + 1e-9)).all()
        assert bounds[0] <= 1.1 * unit.deviation**2 * rates[0] ** 2 / 2
        assert bounds[-1] <= unit.reach * rates[-1]


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("allowed", [1e-2, 1e-5])
@pytest.mark.parametrize("chance", [0.5, 0.05])
def test_aliases_are_as_small_as_asked_for(name, allowed, chance):
    """The integral of theorem 5 for binomial laws, and no length much longer than it takes."""
    kernel, bend, n = BY_NAME[name].kernel, SECOND[name], 60
    unit = layer_of(np.full(n, 0.3), np.ones(n), -2.0, 1 - chance, "test-scaled").unit()
    z = -2.0 + 0.3 * np.arange(n + 1)
    chances = binom.pmf(np.arange(n + 1), n, chance)
    s = np.linspace(-60, 60, 24_001)
    size = np.array([abs(bend(x)) for x in s.tolist()])

    def aliases(length):
        beyond = np.maximum(np.abs(z[:, None] - s) - length, 0.0)
        return np.trapezoid(size * (chances @ beyond), s)

    length = length_for(unit, kernel, allowed)
    assert aliases(length) <= allowed
    assert aliases(0.6 * length) > allowed


@pytest.mark.parametrize("chance", [0.5, 0.2])
@pytest.mark.parametrize("number", [40, 41, 100, 700])
def test_few_sines_are_as_good_as_many(number, chance):
    """Odd multiples of a frequency take tables, and the same in another order none."""
    rng = np.random.default_rng(number)
    steps = np.concatenate((0.1 * rng.normal(size=30), 1e-7 * rng.normal(size=30)))
    unit = Weighted(steps, np.full(60, chance), np.ones(60))
    t = 0.0859375 * (2.0 * np.arange(number) + 1)
    tabled, direct = excess(unit, t), excess(unit, t[::-1])
    off = np.hypot(tabled.real - direct.real[::-1], tabled.imag - direct.imag[::-1])
    assert (off <= tabled.error).all()
    assert off.max() > 0


def test_many_steps_take_no_large_tables():
    """The peak is of the order of some blocks, whatever the number of steps and frequencies."""
    import tracemalloc

    n, number = 70_000, 400
    unit = Weighted(np.linspace(1e-5, 1e-3, n), np.full(n, 0.3), np.ones(n))
    tracemalloc.start()
    excess(unit, 0.125 * (2.0 * np.arange(number) + 1))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 * n * 10


def test_an_excursion_of_many_inputs_is_bounded():
    """A binomial law, whose tails Hoeffding's bound is nearly sharp for."""
    unit = layer_of(np.ones(400), np.ones(400), 0.0, 0.5, "test-scaled").unit()
    away = np.abs(np.arange(401) - 200.0)
    chances = np.array([math.comb(400, k) / 2**400 for k in range(401)])
    for radius in range(1, 200):
        true = float(chances @ np.maximum(away - radius, 0))
        assert true <= excursion(unit, float(radius))
        assert radius > 60 or excursion(unit, float(radius)) <= 300 * true


@pytest.mark.parametrize("counts", [1.0, 2.0, 7.0])
@pytest.mark.parametrize(("number", "spacing"), [(4, 2.6171875), (50, 0.1796875), (50, 1 / 7)])
def test_characteristic_functions_err_less_than_their_bound(counts, number, spacing):
    rng = np.random.default_rng(2)
    for size in (1e-9, 1e-2, 1.0, 40.0):
        steps, chances = size * rng.normal(size=9), rng.random(9) / 2
        t = spacing * (2.0 * np.arange(number) + 1)
        found = excess(Weighted(steps, chances, np.full(9, counts)), t)
        with mpmath.workdps(60):
            for place, x in enumerate(t.tolist()):
                true = mpmath.mpf(1)
                for step, chance in zip(steps.tolist(), chances.tolist(), strict=True):
                    turn = mpmath.expj(x * mpmath.mpf(step))
                    true *= (1 + chance * (turn - 1)) ** int(counts)
                    true *= mpmath.expj(-x * mpmath.mpf(step) * chance * counts)
                error = abs(mpmath.mpc(found.real[place], found.imag[place]) - (true - 1))
                assert error <= found.error[place]
                assert found.error[place] < 1e-11 * max(1.0, size)


@pytest.mark.parametrize("length", [*range(1, 40), 1000, 4097])
def test_sums_in_trees_are_sums(length):
    terms = np.random.default_rng(3).integers(-999, 1000, length).astype(float)
    assert (prefix_sums(terms) == np.concatenate(([0.0], np.cumsum(terms)))).all()
    assert tree_sum(terms) == terms.sum()
