"""Rates that change, and what targets that follow them are held to."""

import itertools
import math

import numpy as np
import pytest

import dropout_stats as ds
from dropout_stats.laws import Inverted, TestScaled

QUICK = {"resolution": 2**-5, "seed": 3}


class Annealed:
    """An inverted dropout whose rate follows from a step that it is told."""

    def __init__(self, schedule):
        self.schedule = schedule
        self.seed(0)

    def seed(self, number):
        self.rng = np.random.default_rng(number)

    def rate(self, step):
        return self.schedule(step)

    def train(self, x, step):
        rate = self.rate(step)
        kept = self.rng.random(x.shape) >= rate
        return np.where(kept, x / x.dtype.type(1 - rate), x.dtype.type(0)) if rate < 1 else x * 0

    def vjp(self, x, dy, step):
        state = self.rng.bit_generator.state
        y = self.train(x, step)
        self.rng.bit_generator.state = state
        return y, self.train(dy, step)

    def evaluate(self, x):
        return x.copy()

    def target(self, **options):
        return self.schedule.target(
            self.train, self.evaluate, vjp=self.vjp, seed=self.seed, law=Inverted(), **options
        )


def test_schedules_go_from_their_first_rate_to_their_last():
    linear = ds.Schedule.linear(0.5, 0.1, steps=5)
    assert [linear(step) for step in range(6)] == pytest.approx([0.5, 0.4, 0.3, 0.2, 0.1, 0.1])
    cosine = ds.Schedule.cosine(0.5, 0.1, steps=5)
    assert [cosine(step) for step in (0, 2, 4, 9)] == pytest.approx([0.5, 0.3, 0.1, 0.1])
    assert cosine(1) == pytest.approx(0.1 + 0.2 * (1 + math.sqrt(0.5)))
    falling = ds.Schedule.exponential(0.4, 0.1, steps=3)
    assert [falling(step) for step in range(3)] == pytest.approx([0.4, 0.2, 0.1])
    rising = ds.Schedule.curriculum(0.5, steps=100)
    assert rising(0) == 0
    assert rising(10) == pytest.approx(0.5 * (1 - math.exp(-1)))
    assert 0.4999 < rising(99) < 0.5
    assert ds.Schedule.constant(0.3, steps=4)(3) == 0.3
    assert ds.Schedule(lambda step: 0.1 * (step % 2), steps=10)(7) == 0.1


def test_steps_are_spread_from_first_to_last_without_what_cannot_be_judged():
    assert ds.Schedule.linear(0.5, 0.1, steps=100).spread() == (0, 25, 50, 74, 99)
    assert ds.Schedule.linear(0.5, 0.1, steps=3).spread() == (0, 1, 2)
    assert ds.Schedule.exponential(0.5, 1e-9, steps=3).spread() == (0, 1)
    assert ds.Schedule.linear(0.0, 1.0, steps=3).spread() == (0, 1, 2)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ds.Schedule.linear(0.5, 0.1, steps=0), "steps"),
        (lambda: ds.Schedule(0.5, steps=3), "a function of the step"),
        (lambda: ds.Schedule.exponential(0.5, 0, steps=3), "does not reach it"),
        (
            lambda: ds.Schedule.linear(0.5, 1.5, steps=3)(2),
            r"the rate at step 2 must be in \[0, 1\]",
        ),
        (lambda: ds.Schedule.constant(0.5)(-1), "0 or more"),
        (lambda: ds.Schedule.constant("a"), "rate must be a number"),
        (lambda: ds.Schedule.linear(None, 0.1, steps=3), "first must be a number"),
        (lambda: ds.Schedule.constant(0.5).spread(1), "count must be 2 or more"),
        (lambda: ds.Schedule.constant(0.5).target(None), "train must be a function"),
        (lambda: ds.Schedule.constant(0.5).target(lambda x, _: x, steps=5), "a list of steps"),
        (lambda: ds.Schedule.constant(1e-9).target(lambda x, _: x, steps=[0]), "rate at step 0"),
        (lambda: ds.Schedule(lambda _: "half", steps=3)(0), "the rate at step 0 must be a number"),
        (lambda: ds.Schedule.constant(0.0).target(lambda x, _: x), "no rate inside"),
    ],
)
def test_what_is_no_schedule_is_refused_in_plain_words(make, words):
    with pytest.raises(ds.UsageError, match=words):
        make()


def test_a_layer_that_follows_its_schedule_conforms_at_every_step():
    schedule = ds.Schedule.linear(0.5, 0.1, steps=100)
    report = ds.check(Annealed(schedule).target(), **QUICK)
    assert report.verdict == "pass", report
    judged = {result.case.rate for result in report.results if result.check == "rate.marginal"}
    assert judged == {schedule(step) for step in schedule.spread()}
    assert not {"limits.rate_zero", "interface.invalid_rate"} & {r.check for r in report.results}
    assert "step 74" in str(report)


def test_the_layer_of_a_schedule_gets_steps_and_keys_and_never_a_rate():
    schedule = ds.Schedule.linear(0.5, 0.1, steps=10)
    named = ds.Conventions(rate_argument="keep_prob")
    assert ds.check(Annealed(schedule).target(conventions=named), **QUICK).verdict == "pass"

    def keyed(x, step, key):
        layer = Annealed(schedule)
        layer.seed(key)
        return layer.train(x, step)

    held = ds.Conventions(randomness="key")
    report = ds.check(schedule.target(keyed, lambda x: x, conventions=held), **QUICK)
    assert report.verdict == "pass", report


def test_noise_of_one_strength_has_it_at_every_step():
    rng = np.random.default_rng(0)

    def noisy(x, step):
        return (x + rng.normal(0, 0.3, x.shape)).astype(x.dtype)

    law = ds.laws.GaussianAdditive(std=0.3)
    target = ds.Schedule.linear(0.5, 0.1, steps=10).target(noisy, lambda x: x, law=law)
    assert ds.check(target, **QUICK).verdict == "pass"


def test_a_step_at_rate_zero_is_held_to_it():
    schedule = ds.Schedule.linear(0.0, 0.5, steps=3)
    assert ds.check(Annealed(schedule).target(), **QUICK)["limits.rate_zero"].verdict == "pass"


class CountsFromOne(Annealed):
    def rate(self, step):
        return self.schedule(step + 1)


class NeverMoves(Annealed):
    def rate(self, step):
        return self.schedule(0)


class AnnealsTheKeepProbability(Annealed):
    """exponential in keep_prob where the rate should be."""

    def rate(self, step):
        first, last = 1 - self.schedule(0), 1 - self.schedule(self.schedule.steps - 1)
        return 1 - first * (last / first) ** (step / (self.schedule.steps - 1))


@pytest.mark.parametrize("wrong", [CountsFromOne, NeverMoves, AnnealsTheKeepProbability])
def test_a_rate_that_is_not_the_declared_one_fails_at_its_step(wrong):
    schedule = ds.Schedule.exponential(0.6, 0.05, steps=12)
    report = ds.check(wrong(schedule).target(), **QUICK)
    assert report["rate.marginal"].verdict == "fail"
    last = ds.check(wrong(schedule).target(steps=[6]), **QUICK)
    assert last["rate.marginal"].verdict == "fail"


def test_all_steps_of_one_rate_take_turns():
    class Decays(Annealed):
        def rate(self, step):
            return self.schedule(step) * 0.9**step

    schedule = ds.Schedule.constant(0.3, steps=10)
    assert ds.check(Annealed(schedule).target(), **QUICK).verdict == "pass"
    assert ds.check(Decays(schedule).target(), **QUICK)["support.kept_value"].verdict == "fail"


def test_a_test_scaled_network_is_right_at_the_steps_of_one_rate_alone():
    schedule = ds.Schedule.linear(0.5, 0.1, steps=5)
    rng = np.random.default_rng(0)

    def train(x, step):
        return np.where(rng.random(x.shape) >= schedule(step), x, x.dtype.type(0))

    def evaluate(x):
        return x * x.dtype.type(1 - schedule(4))

    target = schedule.target(train, evaluate, law=TestScaled())
    report = ds.check(target, checks=["moments.noise_mean", "inference.law"], **QUICK)
    for result in report.results:
        right = result.case.rate == schedule(4)
        assert result.verdict == ("pass" if right else "fail"), result
    for step in range(5):
        lost = schedule.evaluation_over_training(TestScaled(), step, evaluated_at=4)
        assert lost == pytest.approx(0.9 / (1 - schedule(step)))
        assert schedule.evaluation_over_training(Inverted(), step, evaluated_at=4) == 1


@pytest.mark.parametrize("law", [Inverted(), TestScaled()])
def test_the_loss_of_the_evaluation_pass_is_exact_over_all_masks(law):
    """Evaluation over E[train], at each step, by going through all masks."""
    schedule = ds.Schedule.cosine(0.7, 0.05, steps=6)
    x = np.array([1.5, -2.0, 0.25, 8.0])
    for step in range(6):
        rate = schedule(step)
        mean = np.zeros(4)
        for bits in itertools.product((False, True), repeat=4):
            mask = np.array(bits)
            chance = math.prod(1 - rate if kept else rate for kept in bits)
            mean += chance * law.apply(x, mask, rate)
        seen = law.evaluate(x, schedule(5)) / mean
        expected = schedule.evaluation_over_training(law, step, evaluated_at=5)
        assert seen == pytest.approx(np.full(4, expected), rel=1e-12)


def test_fixed_rates_are_the_rates_of_the_run():
    conventions = ds.Conventions(rates=(0.25,))
    plan = ds.plan(ds.reference(Inverted()), conventions=conventions)
    assert {planned.case.rate for planned in plan.cases} == {0.25}
    with pytest.raises(ds.UsageError, match=r"\(0.25,\) alone"):
        ds.plan(ds.reference(Inverted()), conventions=conventions, rates=[0.3])
    for rates in ((), (0.0, 1.0), (1.5,), 0.3):
        with pytest.raises(ds.UsageError, match="rates"):
            ds.Conventions(rates=rates)


STEPS = {"checks": ["rate.steps"], "seed": 3}


def at_steps(target):
    return ds.check(target, **STEPS)["rate.steps"]


def test_each_step_is_asked_once_and_in_the_order_of_training():
    schedule, asked = ds.Schedule.linear(0.5, 0.1, steps=300), []

    class Watched(Annealed):
        def train(self, x, step):
            asked.append(step)
            return super().train(x, step)

    assert at_steps(Watched(schedule).target()).message.startswith("at each of 300 steps")
    assert asked == list(range(300))
    asked.clear()
    long = ds.Schedule.linear(0.5, 0.1, steps=10**6)
    target = Watched(long).target()
    assert (len(target.steps.rates), max(target.steps.rates)) == (1024, 10**6 - 1)


@pytest.mark.parametrize("wrong", [1, 137, 299])
def test_one_wrong_step_of_many_is_named(wrong):
    class Once(Annealed):
        def rate(self, step):
            return self.schedule(step - 1 if step == wrong else step)

    found = at_steps(Once(ds.Schedule.linear(0.5, 0.1, steps=300)).target())
    assert found.verdict == "fail"
    assert f"at step {wrong}, whose rate" in found.message
    assert "at 1 of 300 steps" in found.message


class ScaledInEvaluation(Annealed):
    """No scale that shows the rate: masks alone are wrong, at some steps."""

    def __init__(self, schedule, off=lambda step: 0.0):
        super().__init__(schedule)
        self.off = off

    def train(self, x, step):
        kept = self.rng.random(x.shape) >= self.schedule(step) + self.off(step)
        return np.where(kept, x, x.dtype.type(0))

    def target(self):
        def evaluate(x):
            return x * x.dtype.type(1 - self.schedule(0))

        return self.schedule.target(self.train, evaluate, law=TestScaled())


@pytest.mark.parametrize(
    ("off", "where"),
    [
        (lambda step: 0.2 * (step == 77), "at step 77"),
        (lambda step: 0.03 * (64 <= step < 96), "at steps 64 to 95"),
        (lambda step: 0.008, "at steps 0 to 255"),
        (lambda step: 0.01 - 0.02 * (step >= 128), "at steps"),
    ],
)
def test_masks_of_another_rate_are_told_over_as_many_steps_as_it_takes(off, where):
    schedule = ds.Schedule.linear(0.5, 0.1, steps=256)
    found = at_steps(ScaledInEvaluation(schedule, off).target())
    assert (found.verdict, where in found.message) == ("fail", True), found.message
    assert "expected" in found.message
    assert at_steps(ScaledInEvaluation(schedule).target()).verdict == "pass"


def test_what_is_said_to_be_caught_is_caught():
    """Each of 60 runs, at the size that a pass names for one step."""
    schedule = ds.Schedule.constant(0.5, steps=8)
    said = at_steps(ScaledInEvaluation(schedule).target()).message
    reach, caught = float(said.split("off by ")[1].split(" at one step")[0]), 0
    for seed in range(60):
        layer = ScaledInEvaluation(schedule, lambda step: reach * (step == 3))
        layer.seed(seed)
        caught += at_steps(layer.target()).verdict == "fail"
    assert caught >= 57


def test_noise_with_a_density_is_asked_by_its_scores():
    schedule, law = ds.Schedule.cosine(0.5, 0.1, steps=200), ds.laws.GaussianMultiplicative()

    def layer(rate_at):
        rng = np.random.default_rng(1)

        def train(x, step):
            rate = rate_at(step)
            noise = 1 + math.sqrt(rate / (1 - rate)) * rng.standard_normal(x.shape)
            return (x * noise).astype(x.dtype)

        return schedule.target(train, lambda x: x, law=law)

    assert at_steps(layer(schedule)).verdict == "pass"
    late = at_steps(layer(lambda step: schedule(step + 30 * (step >= 128))))
    assert late.verdict == "fail"
    assert "root mean square" in late.message


def test_alpha_dropout_under_a_schedule_is_read_through_its_law():
    schedule, law = ds.Schedule.linear(0.3, 0.05, steps=50), ds.laws.Alpha()

    def layer(rate_at):
        rng = np.random.default_rng(1)

        def train(x, step):
            a, b = law.constants(rate_at(step))
            kept = rng.random(x.shape) >= rate_at(step)
            return (a * np.where(kept, x, law.saturated) + b).astype(x.dtype)

        return schedule.target(train, lambda x: x, law=law)

    assert at_steps(layer(schedule)).verdict == "pass"
    assert (
        at_steps(layer(lambda step: schedule(0) if step == 20 else schedule(step))).verdict
        == "fail"
    )


def test_a_step_that_raises_or_answers_with_another_shape_is_named():
    class Raises(Annealed):
        def train(self, x, step):
            if step == 7:
                raise RuntimeError("no such epoch")
            return super().train(x, step)

    class Flattens(Annealed):
        def train(self, x, step):
            return super().train(x, step).reshape(-1) if step == 7 else super().train(x, step)

    schedule = ds.Schedule.linear(0.5, 0.1, steps=12)
    for wrong, words in ((Raises, "no such epoch"), (Flattens, "returned an output of shape")):
        found = at_steps(wrong(schedule).target())
        assert found.verdict == "fail"
        assert "step=7" in found.message
        assert words in found.message


def test_without_a_schedule_nothing_is_asked_of_steps():
    planned = {case.case.check for case in ds.plan(ds.reference(Inverted())).cases}
    assert "rate.steps" not in planned
    ended = ds.Schedule.constant(1.0, steps=3)
    both = ds.Schedule(lambda step: 0.5 if step == 0 else 1.0, 4)
    assert at_steps(Annealed(both).target()).verdict == "pass"
    with pytest.raises(ds.UsageError, match="no rate inside"):
        Annealed(ended).target()


NOISE = [
    ds.laws.GaussianMultiplicative(),
    ds.laws.LogNormalMultiplicative(),
    ds.laws.UniformMultiplicative(),
    ds.laws.GaussianAdditive(std=0.3),
]


def noisy(schedule, law, off=lambda step: False):
    rng = np.random.default_rng(1)

    def train(x, step):
        if off(step) or not schedule(step):
            return x.copy()
        if isinstance(law, ds.laws.GaussianAdditive):
            return (x + law.std * rng.standard_normal(x.shape)).astype(x.dtype)
        return law.apply(x, law.sample(rng, x.shape, schedule(step)), schedule(step))

    return schedule.target(train, lambda x: x, law=law)


@pytest.mark.parametrize("law", NOISE[:3], ids=str)
def test_a_schedule_of_noise_may_begin_with_none(law):
    schedule = ds.Schedule.curriculum(0.5, steps=64)
    assert at_steps(noisy(schedule, law)).verdict == "pass"


@pytest.mark.parametrize("law", NOISE, ids=str)
def test_noise_that_is_off_for_a_while_is_told(law):
    found = at_steps(noisy(ds.Schedule.linear(0.5, 0.1, steps=64), law, lambda s: 20 <= s < 24))
    assert found.verdict == "fail", found.message
    assert "at steps 20 to 23" in found.message
    assert "root mean square" in found.message


def test_a_fixed_number_of_kept_units_is_held_at_each_step():
    schedule, law = ds.Schedule.linear(0.5, 0.1, steps=64), ds.laws.ExactCount()

    def layer(rate_at):
        rng = np.random.default_rng(1)

        def train(x, step):
            kept = law.sample(rng, x.shape, rate_at(step))
            return law.apply(x, kept, schedule(step))

        return schedule.target(train, lambda x: x, law=law)

    assert at_steps(layer(schedule)).verdict == "pass"
    found = at_steps(layer(lambda step: schedule(step + 4 * (step == 30))))
    assert found.verdict == "fail"
    assert "at step 30" in found.message


def test_each_of_several_values_is_counted_at_each_step():
    law = ds.laws.Law("three", atoms=lambda rate: {0.0: rate / 2, 1.0: 1 - rate, 2.0: rate / 2})
    schedule = ds.Schedule.linear(0.5, 0.1, steps=64)

    def layer(drawn):
        rng = np.random.default_rng(1)

        def train(x, step):
            low, high = drawn(step, schedule(step))
            chances = [low, 1 - low - high, high]
            return (x * rng.choice([0.0, 1.0, 2.0], x.shape, p=chances)).astype(x.dtype)

        return schedule.target(train, lambda x: x, law=law)

    assert at_steps(layer(lambda step, rate: (rate / 2, rate / 2))).verdict == "pass"
    never = at_steps(layer(lambda step, rate: (rate / 2, rate / 2 * (not 16 <= step < 20))))
    assert never.verdict == "fail"
    assert "at steps 16 to 19 0 of" in never.message
    assert "took value 3 of 3" in never.message
    assert at_steps(layer(lambda step, rate: (0.0, rate))).verdict == "fail"


def test_a_step_at_rate_one_drops_all_where_that_is_declared():
    schedule = ds.Schedule(lambda step: 1.0 if 10 <= step < 20 else 0.3, 30, "a pause")

    class Forgets(Annealed):
        def train(self, x, step):
            return x.copy() if step == 12 else super().train(x, step)

    held = ds.Conventions(rate_domain="[0, 1]")
    right = at_steps(Annealed(schedule).target(conventions=held))
    assert right.message.startswith("at each of 30 steps")
    wrong = at_steps(Forgets(schedule).target(conventions=held))
    assert "at step 12, whose rate is 1" in wrong.message
    assert "are not 0" in wrong.message
    unknown = at_steps(Annealed(schedule).target())
    assert "at each of 20 steps" in unknown.message
    assert "10 are left out" in unknown.message


def test_a_schedule_ends_at_its_last_rate_exactly():
    assert ds.Schedule.exponential(0.09, 1.0, steps=20)(19) == 1.0


def test_a_step_is_handed_over_whatever_the_caller_declares():
    target = Annealed(ds.Schedule.linear(0.5, 0.1, steps=10)).target()
    held = ds.Conventions(rate_argument="keep_prob")
    assert ds.check(target, conventions=held, **QUICK).verdict == "pass"
