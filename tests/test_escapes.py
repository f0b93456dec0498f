"""Ways past the suite, and accusations of correct code, that were once open."""

import json
import re

import numpy as np
import pytest

import dropout_stats as ds
from dropout_stats import zoo
from dropout_stats.call import _KEY_SPACE, _scatter

COARSE = {"rates": (0.1, 0.3, 0.9), "resolution": 2**-6, "seed": 31}


def judge(**changes):
    return ds.check(zoo.Core().target(**changes), **COARSE)


@pytest.mark.parametrize("pool", [256, 1024, 4096])
def test_a_target_that_uses_few_of_its_keys_repeats_its_masks(pool):
    def few_keys(x, rate, key):
        return zoo.Core().apply(x, np.random.default_rng(key % pool).random(x.shape) >= rate, rate)

    report = ds.check(few_keys, rates=(0.3,), seed=1)
    assert report["calls.repeated_mask"].verdict == "fail", str(report)


def test_keys_are_scattered_one_to_one():
    keys = {_scatter(n, 0x9E3779B1) for n in range(20_000)}
    assert len(keys) == 20_000
    assert all(0 <= key < _KEY_SPACE for key in keys)
    low_bits = np.bincount([key % 256 for key in keys], minlength=256)
    assert 2 * 20_000 / 256 > low_bits.max() > low_bits.min() > 20_000 / 512


def test_a_target_that_exits_fails_and_does_not_end_the_run():
    def leaves(x, rate):
        raise SystemExit(0)

    report = judge(train=leaves)
    assert report.verdict == "fail"
    assert "SystemExit" in report["interface.call"].message


def test_a_report_whose_words_were_changed_is_refused():
    values = json.loads(judge().to_json())
    values["results"][0]["verdict"] = "failed"
    with pytest.raises(ds.UsageError, match="damaged"):
        ds.Report.from_json(json.dumps(values))
    values["results"][0]["verdict"] = "fail"
    with pytest.raises(ds.UsageError, match="'verdict' does not follow"):
        ds.Report.from_json(json.dumps(values))


def test_writing_into_the_input_at_some_rates_only_is_found():
    def train(x, rate):
        y = zoo.Core().train(x, rate)
        if rate > 0.5:
            x[...] = 0
        return y

    assert judge(train=train)["interface.input_unchanged"].verdict == "fail"


def test_an_evaluation_pass_that_promotes_or_writes_into_its_input_fails():
    def promotes(x, rate):
        return x.astype(np.float64)

    def writes(x, rate):
        y = x.copy()
        x[...] = 0
        return y

    for evaluate in (promotes, writes):
        assert judge(evaluate=evaluate)["inference.law"].verdict == "fail"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_nonfinite_evaluation_fails_and_can_be_written_down(value):
    report = judge(evaluate=lambda x, rate: x * np.float32(value))
    assert report["inference.law"].verdict == "fail"
    assert ds.Report.from_json(report.to_json()) == report


def test_an_evaluation_into_one_buffer_cannot_hide_its_noise():
    buffer = {}

    def evaluate(x, rate):
        out = buffer.setdefault(x.shape, np.empty_like(x))
        out[...] = zoo.Core().train(x, rate) * np.random.default_rng().random()
        return out

    assert judge(evaluate=evaluate)["inference.deterministic"].verdict == "fail"


def test_a_promoted_gradient_fails():
    def vjp(x, dy, rate):
        y, dx = zoo.Core().vjp(x, dy, rate)
        return y, dx.astype(np.float64)

    assert judge(vjp=vjp)["gradient.same_noise"].verdict == "fail"


def test_a_differentiated_pass_that_never_drops_fails():
    report = judge(vjp=lambda x, dy, rate: (x, dy))
    assert report["gradient.noise"].verdict == "fail"
    assert "expected" in report["gradient.noise"].message


def test_forward_and_backward_in_one_buffer_are_no_fault():
    class OneBuffer:
        def __init__(self, rate):
            self.rate, self.rng = rate, np.random.default_rng(1)

        def forward(self, x):
            self.mask = self.rng.random(x.shape) >= self.rate
            self.buffer = (x * self.mask / (1 - self.rate)).astype(x.dtype)
            return self.buffer

        def backward(self, dy):
            self.buffer[...] = dy * self.mask / (1 - self.rate)
            return self.buffer

    report = ds.check(OneBuffer, **COARSE)
    assert report["gradient.same_noise"].verdict == "pass", str(report)


def test_a_rate_that_travels_through_float32_is_spared_in_evaluation():
    def evaluate(x, rate):
        return x * (np.float32(1) - np.float32(rate))

    target = zoo.TestScaledCore().target(evaluate=evaluate)
    report = ds.check(target, rates=(0.3, 0.999), resolution=2**-5, seed=2)
    assert report["inference.law"].verdict == "pass", str(report)


def test_positional_parameters_between_are_left_at_their_defaults():
    def dropout(x, noise_shape=None, rate=0.5, /):
        assert noise_shape is None
        return zoo.Core().train(x, rate)

    assert ds.check(dropout, rates=(0.3,), resolution=2**-5)["interface.call"].verdict == "pass"


def test_a_target_of_images_is_enumerated_in_its_own_rank():
    core = zoo.Core()

    def only_images(x, noise, rate):
        assert x.ndim == 4
        return core.apply(x, noise, rate)

    conventions = ds.Conventions(ndims=(4, 4), rate_domain="[0, 1]")
    report = judge(apply=only_images, conventions=conventions)
    assert report["moments.enumerated"].verdict == "pass", str(report)


def test_keeping_everything_has_the_right_mean():
    def unscaled_identity(x, rate):
        return x.copy()

    report = judge(train=unscaled_identity, vjp=None)
    assert report["moments.mean"].verdict == "pass"
    assert report["moments.variance"].verdict == "fail"
    assert report.diagnoses[0].name == "never dropping"


@pytest.mark.parametrize("shape", [(3, 4), (1,), (2, 2)])
def test_tiny_calls_of_correct_code_are_not_accused_and_not_undecided(shape):
    report = ds.check(zoo.Core().target(), rates=(0.3,), shapes=[shape], resolution=2**-5, seed=3)
    assert report.verdict == "pass", str(report)


def test_outputs_without_one_factor_are_not_called_unchanged():
    def gaussian(x, rate):
        noise = np.random.default_rng(abs(int(x.reshape(-1)[0] * 1e6))).normal(1, 0.5, x.shape)
        return (x * noise).astype(x.dtype)

    report = judge(train=gaussian, vjp=None)
    assert report.verdict == "fail"
    assert not any("unchanged" in d.explanation for d in report.diagnoses)


@pytest.mark.parametrize("rate", [1 - 1e-7, 1e-300])
def test_rates_that_float32_cannot_tell_from_a_limit_are_refused(rate):
    with pytest.raises(ds.UsageError, match="away from both"):
        ds.check(zoo.Core().target(), rates=(rate,))


def test_the_clock_is_looked_at_between_calls():
    now = [0.0]

    def clock():
        now[0] += 1.0
        return now[0]

    from dropout_stats.api import bind
    from dropout_stats.run import Run

    bound = bind(zoo.Core().target(), rates=(0.3,), max_seconds=20.0, seed=1)
    results = list(Run(bound.plan, bound.target, clock=clock).results())
    found = next(r for r in results if r.check == "rate.marginal")
    assert found.verdict == "inconclusive"
    assert re.search(r"max_seconds, after \d+ calls", found.message)
