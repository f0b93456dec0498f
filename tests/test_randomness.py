"""The checks of seeds, streams, threads and forks kill what each is for, and spare the correct."""

import os
import random
import threading
import time

import numpy as np
import plain
import pytest
import specimens_randomness as noise

import dropout_stats as ds
from dropout_stats import zoo
from dropout_stats.checks import forking
from dropout_stats.checks.fingerprints import calls_to_differ
from dropout_stats.errors import TargetError
from dropout_stats.references import reference
from dropout_stats.zoo.correct import ReusesItsBuffer
from dropout_stats.zoo.rate import NeverDrops
from dropout_stats.zoo.seeds import (
    EvaluationResetsTheSeed,
    ReadsTheAddressOfTheSeed,
    ReseedsTheHost,
)

RANDOMNESS = {"rates": (0.1, 0.3, 0.9), "checks": ["randomness.*"], "seed": 12}
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def judge(specimen, **changes):
    return ds.check(specimen().target(**changes), **RANDOMNESS)


def verdicts(report):
    return {result.check.removeprefix("randomness."): result.verdict for result in report.results}


@pytest.mark.parametrize(
    ("specimen", "check"), noise.KILLED_BY.items(), ids=lambda v: getattr(v, "__name__", v)
)
def test_a_specimen_is_killed_by_the_check_it_is_for(specimen, check):
    report = judge(specimen)
    assert report[check].verdict == "fail", str(report)
    assert not [r for r in report.results if r.verdict == "error"], str(report)


@pytest.mark.parametrize("specimen", noise.CORRECT, ids=lambda v: v.__name__)
@pytest.mark.parametrize("seed", range(3))
def test_correct_noise_is_not_accused(specimen, seed):
    report = ds.check(specimen().target(), **{**RANDOMNESS, "seed": seed})
    assert report.verdict == "pass", str(report)


@pytest.mark.parametrize("specimen", zoo.CORRECT, ids=lambda v: v.name)
def test_unusual_but_correct_code_is_not_accused(specimen):
    rates = specimen.fixed_rates or RANDOMNESS["rates"]
    report = ds.check(specimen.build(), **{**RANDOMNESS, "rates": rates})
    assert report.verdict == "pass", str(report)


@pytest.mark.parametrize("shape", [(1,), (3,), (3, 4), (64, 8)])
@pytest.mark.parametrize("rate", [1e-4, 0.001, 0.3, 0.5, 0.999])
def test_no_size_and_no_rate_makes_correct_noise_fail(shape, rate):
    for specimen in (plain.Core, noise.Keyed):
        report = ds.check(
            specimen().target(), rates=(rate,), shapes=[shape], checks=["randomness.*"], seed=2
        )
        assert not report.failures, str(report)
        assert report["randomness.seed_repeats"].verdict == "pass"


def test_masks_are_compared_only_where_equal_ones_are_impossible():
    for units in (1, 10, 1000, 16 * 1024):
        for rate in (1e-6, 0.001, 0.1, 0.5, 0.999):
            agree = rate**2 + (1 - rate) ** 2
            calls = calls_to_differ(-units * np.log2(agree))
            if calls is not None:
                assert calls * units * np.log2(agree) <= -400
            else:
                assert 64 * units * np.log2(agree) > -400


def test_the_references_pass_whatever_applies_to_them():
    for law in (ds.laws.Inverted(), ds.laws.TestScaled()):
        report = ds.check(reference(law), checks=["randomness.*", "gradient.*"], seed=3)
        assert report.verdict == "pass", str(report)
        silent = {r.check for r in report.results if r.verdict == "not-applicable"}
        assert silent == {"randomness.forks"}
        assert not report.observations


def test_what_applies_depends_on_what_is_declared():
    owned = verdicts(judge(plain.Core))
    assert owned == {
        "fresh": "pass",
        "seed_repeats": "pass",
        "seeds_differ": "pass",
        "seed_is_read": "pass",
        "idle": "not-applicable",
        "host_generators": "pass",
        "threads": "not-applicable",
        "forks": "not-applicable",
    }
    assert verdicts(judge(noise.Keyed)) == owned
    unseeded = verdicts(judge(plain.Core, seed=None))
    silent = {"seed_repeats", "seeds_differ", "seed_is_read"}
    assert {name for name in owned if owned[name] != unseeded[name]} == silent
    none = verdicts(
        judge(plain.Core, conventions=ds.Conventions(randomness="none", threads="independent"))
    )
    assert {name for name, verdict in none.items() if verdict == "pass"} == {"host_generators"}


def test_fresh_masks_are_asked_for_in_every_type():
    class SetsBackInDouble(plain.Core):
        def evaluate(self, x, rate):
            if x.dtype == np.float64:
                self.rng = np.random.default_rng(7)
            return super().evaluate(x, rate)

    conventions = ds.Conventions(dtypes=("float32", "float64"), randomness="owned")
    report = judge(SetsBackInDouble, conventions=conventions)
    by_type = {r.case.dtype: r.verdict for r in report.results if r.check == "randomness.fresh"}
    assert by_type == {"float32": "pass", "float64": "fail"}


@pytest.mark.parametrize("specimen", [NeverDrops, plain.AlwaysDrops])
def test_a_target_without_noise_is_not_blamed_on_its_seed(specimen):
    declared = ds.Conventions(randomness="owned", threads="independent")
    found = verdicts(judge(specimen, conventions=declared))
    undecided = {name for name, verdict in found.items() if verdict == "inconclusive"}
    assert undecided == {"fresh", "seeds_differ", "seed_is_read", "threads"}
    assert "fail" not in found.values()


def test_what_sets_the_generator_back_is_named():
    found = judge(EvaluationResetsTheSeed)["randomness.fresh"]
    assert "after an evaluation pass" in found.message


@pytest.mark.parametrize("units", [1, 7, 1024, 20_000])
def test_seeds_repeat_at_every_size(units):
    """A target that repeats at all sizes but one is found where that size is tried."""

    class NotAtThisSize(plain.Core):
        def uniforms(self, shape):
            if np.prod(shape) == units:
                return np.random.default_rng().random(shape)
            return super().uniforms(shape)

    report = ds.check(
        NotAtThisSize().target(),
        rates=(0.3,),
        shapes=[(64, 512), (units,), (units, 1)],
        checks=["randomness.seed_repeats"],
    )
    found = report["randomness.seed_repeats"]
    assert found.verdict == "fail"
    assert f"shape ({units},)" in found.message


def test_large_calls_are_tried_by_default():
    class NotWhenVeryLarge(plain.Core):
        def uniforms(self, shape):
            if np.prod(shape) > 100_000:
                return np.random.default_rng().random(shape)
            return super().uniforms(shape)

    assert judge(NotWhenVeryLarge)["randomness.seed_repeats"].verdict == "fail"
    few = ds.Conventions(randomness="owned", max_shapes=1)
    assert judge(NotWhenVeryLarge, conventions=few)["randomness.seed_repeats"].verdict == "pass"


@pytest.mark.parametrize("bit", [0, 1, 15, 16, 29, 30])
def test_every_bit_of_a_seed_counts(bit):
    class LacksABit(plain.Core):
        def seed(self, number):
            super().seed(number & ~(1 << bit))

    report = judge(LacksABit)
    assert report["randomness.seeds_differ"].verdict == "fail"
    assert report["randomness.seed_repeats"].verdict == "pass"


def test_a_function_that_ignores_its_key_or_adds_to_it_fails():
    def ignores(x, rate, key):
        return plain.Core().train(x, rate)

    counter = []

    def counts(x, rate, key):
        counter.append(key)
        return noise.Keyed().target().train(x, rate, key=key + len(counter))

    ignored = verdicts(ds.check(ignores, **RANDOMNESS))
    assert ignored["fresh"] == ignored["seeds_differ"] == ignored["seed_is_read"] == "fail"
    counted = verdicts(ds.check(counts, **RANDOMNESS))
    assert counted["seed_repeats"] == counted["seed_is_read"] == "fail"
    assert counted["fresh"] == "pass"


def test_what_seeds_do_beyond_their_promise_is_observed():
    assert judge(noise.RefusesLongSeeds).observations == judge(plain.Core).observations
    assert any("bit 32 or 40 or 62" in text for text in judge(noise.IgnoresHighBits).observations)
    said = judge(noise.LehmerSeeds).observations
    assert any("seeds 0 and 1 give the same masks" in text for text in said)
    assert judge(plain.Core).observations == ("a training pass at rate 0 advances the generator",)


def test_a_seed_that_an_adapter_assumed_is_only_observed():
    report = judge(noise.SeededElsewhere)
    assert report["randomness.seed_repeats"].verdict == "not-applicable"
    assert any("other masks the second time" in text for text in report.observations)


def test_draws_of_idle_passes_are_observed_until_they_are_declared():
    class Draws(plain.Core):
        def evaluate(self, x, rate):
            self.uniforms(x.shape)
            return super().evaluate(x, rate)

    report = judge(Draws)
    assert report["randomness.idle"].verdict == "not-applicable"
    assert (
        "a training pass at rate 0 and an evaluation pass advance the generator"
        in report.observations
    )
    declared = ds.Conventions(randomness="owned", idle_draws="none")
    assert judge(Draws, conventions=declared)["randomness.idle"].verdict == "fail"


def test_idle_draws_are_not_judged_by_a_seed_that_does_not_repeat():
    declared = ds.Conventions(randomness="owned", idle_draws="none")
    report = judge(ReadsTheAddressOfTheSeed, conventions=declared)
    assert report["randomness.idle"].verdict == "not-applicable"


def test_the_generators_of_the_host_stay_as_they_were():
    np.random.seed(1)
    random.seed(1)
    before = (np.random.get_state()[1].tobytes(), np.random.get_state()[2:], random.getstate())
    judge(plain.Core)
    after = (np.random.get_state()[1].tobytes(), np.random.get_state()[2:], random.getstate())
    assert before == after


def test_a_stream_that_the_target_shares_is_never_set_back():
    """Else the masks of this check would be drawn a second time."""
    seen = []

    class Records(noise.DrawsGlobally):
        def mask(self, shape, rate):
            seen.append(super().mask(shape, rate).tobytes())
            return np.frombuffer(seen[-1], bool).reshape(shape)

    target = Records().target(seed=None)
    np.random.seed(3)
    for _ in range(2):
        report = ds.check(target, rates=(0.3,), checks=["randomness.host_generators"], seed=4)
        assert report.verdict == "pass", str(report)
    assert len(seen) == len(set(seen))


def test_another_thread_that_draws_is_not_held_against_the_target():
    going = True

    def draw():
        while going:
            np.random.random_sample()

    thread = threading.Thread(target=draw)
    thread.start()
    try:
        report = ds.check(
            plain.Core().target(), rates=(0.3,), checks=["randomness.host_generators"]
        )
    finally:
        going = False
        thread.join()
    assert report.verdict == "pass", str(report)


@pytest.mark.parametrize("specimen", [ReseedsTheHost, noise.SeedsNumPyThoughGlobal])
def test_a_generator_that_is_set_is_named(specimen):
    found = judge(specimen)["randomness.host_generators"]
    assert "train" in found.message
    assert "numpy.random" in found.message


def test_a_buffer_that_is_used_again_is_no_fault_where_threads_are_not_declared():
    report = judge(ReusesItsBuffer)
    assert report["randomness.threads"].verdict == "not-applicable"


def test_a_target_that_hangs_in_threads_is_undecided(monkeypatch):
    from dropout_stats.checks import workers

    monkeypatch.setattr(workers, "_PATIENCE", 0.2)

    @noise.declaring(threads="independent")
    class Hangs(plain.Core):
        def train(self, x, rate):
            if threading.current_thread() is not threading.main_thread():
                time.sleep(1)
            return super().train(x, rate)

    found = judge(Hangs)["randomness.threads"]
    assert found.verdict == "inconclusive"
    assert "did not return" in found.message


@needs_fork
def test_forked_workers_answer_raise_die_or_hang():
    here = os.getpid()
    answers = forking.call_in_workers(lambda: str(os.getpid()).encode(), 3, 30)
    assert len(set(answers)) == 3
    assert str(here).encode() not in answers
    assert forking.call_in_workers(lambda: b"x" * 10**6, 2, 30) == [b"x" * 10**6] * 2

    def raises():
        raise TargetError("train(...)", "raised in there")

    with pytest.raises(TargetError, match="raised in there"):
        forking.call_in_workers(raises, 2, 30)
    with pytest.raises(TimeoutError, match="without an answer"):
        forking.call_in_workers(lambda: os._exit(3), 2, 30)
    started = time.monotonic()
    with pytest.raises(TimeoutError, match="in time"):
        forking.call_in_workers(lambda: time.sleep(60) or b"", 2, 0.2)
    assert time.monotonic() - started < 10
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@needs_fork
def test_a_key_needs_no_stream_of_its_own_in_a_worker():
    keyed = ds.Conventions(randomness="key", workers="independent")
    report = judge(noise.Keyed, conventions=keyed)
    assert report["randomness.forks"].verdict == "not-applicable"


def test_keys_repeat_only_where_the_same_key_is_asked_about():
    seen = []

    def train(x, rate, *, key):
        seen.append(key)
        return noise.Keyed().target().train(x, rate, key=key)

    target = ds.Target(
        train=train, conventions=ds.Conventions(randomness="key", threads="independent")
    )
    ds.check(target, rates=(0.3,), checks=["randomness.fresh", "randomness.threads"])
    assert len(seen) == len(set(seen)) > 32
    assert all(0 <= key < 2**31 for key in seen)


def test_masks_that_go_on_together_are_found_however_far_apart():
    from dropout_stats.checks.fingerprints import places_later

    bits = np.random.default_rng(0).random(4096) < 0.7
    packed = lambda start: np.packbits(bits[start : start + 2048]).tobytes()  # noqa: E731
    assert places_later(packed(0), packed(1)) == 1
    assert places_later(packed(0), packed(1024)) == 1024
    assert places_later(packed(0), packed(1025)) is None  # less than half is left
    assert places_later(packed(1), packed(0)) is None
    assert places_later(packed(0), packed(0)) is None
    other = bits.copy()
    other[1500] ^= True
    assert (
        places_later(np.packbits(bits[:2048]).tobytes(), np.packbits(other[9:2057]).tobytes())
        is None
    )
