"""What is read from a signature, what is only assumed, and what then is the harness's fault."""

import re
from functools import partial
from typing import Literal

import numpy as np
import pytest

import dropout_stats as ds

RNG = np.random.default_rng(98)
COARSE = {"rates": (0.1, 0.3), "resolution": 2**-4, "seed": 6}


def core(x, rate, rng=RNG):
    return (x * (rng.random(x.shape) >= rate) / (1 - rate)).astype(x.dtype)


def verdict_of(target, **options):
    report = ds.check(target, **{**COARSE, **options})
    return report, str(report)


def said(report):
    return " ".join(report.observations)


# Where the input stands


def key_first(key, x, rate):
    return core(x, rate, np.random.default_rng(key))


def rate_first(rate, x):
    return core(x, rate)


def keyed_by_position(rng, x, rate, /):
    return core(x, rate, rng)


@pytest.mark.parametrize("target", [key_first, rate_first, keyed_by_position])
def test_the_input_need_not_be_the_first_parameter(target):
    report, text = verdict_of(target)
    assert report.verdict == "pass", text
    assert "'x' was read as the input" in said(report)


def test_without_an_input_there_is_nothing_to_judge():
    with pytest.raises(ds.HarnessError, match="no positional parameter for its input"):
        ds.check(lambda key: None)
    with pytest.raises(ds.HarnessError, match="no positional parameter for its input"):
        ds.check(lambda *, x, rate: x)
    with pytest.raises(ds.HarnessError, match="a NoneType can neither be called"):
        ds.check(lambda rate, key: None)


# The pass, where it is a word


def by_default(x, mode="train", p=0.5):
    if mode == "train":
        return core(x, p)
    if mode == "predict":
        return x
    raise ValueError(mode)


def by_annotation(x, rate, mode: Literal["training", "inference"]):
    return {"training": core, "inference": lambda x, _: x}[mode](x, rate)


def by_code(x, rate, mode):
    if mode in ("train", "test"):
        return core(x, rate) if mode == "train" else x
    raise ValueError(mode)


def by_one_word(x, rate, mode="train"):
    return core(x, rate) if mode == "train" else x


def by_the_other_word(x, rate, mode="eval"):
    return x if mode == "eval" else core(x, rate)


def by_phase(x, rate, phase="train"):
    return core(x, rate) if phase == "train" else x


class WordedCall:
    def __init__(self, rate):
        self.rate = rate

    def forward(self, x, mode="train"):
        return core(x, self.rate) if mode == "train" else x


class WordedAttribute:
    def __init__(self, rate):
        self.rate, self.mode = rate, "train"

    def forward(self, x):
        if self.mode == "train":
            return core(x, self.rate)
        if self.mode == "test":
            return x
        raise ValueError(self.mode)


WORDED = {
    by_default: ("train", "predict"),
    by_annotation: ("training", "inference"),
    by_code: ("train", "test"),
    by_one_word: ("train", "test"),
    by_the_other_word: ("train", "eval"),
    by_phase: ("train", "test"),
    WordedCall: ("train", "test"),
    WordedAttribute: ("train", "test"),
}


@pytest.mark.parametrize("target", WORDED, ids=lambda target: target.__name__)
def test_a_word_selects_the_pass(target):
    report, text = verdict_of(target)
    assert report.verdict == "pass", text
    assert report["inference.law"].verdict == "pass"
    training, evaluation = WORDED[target]
    assert f"={training!r} was read as training, {evaluation!r} as" in said(report)


def test_an_evaluation_pass_that_drops_is_seen_where_a_word_selects_it():
    def never_off(x, rate, mode="train"):
        assert mode in ("train", "test")
        return core(x, rate)

    report, _ = verdict_of(never_off)
    assert report["inference.law"].verdict == "fail"
    assert report.diagnoses[0].name == "dropping in evaluation"


def upscale(x, rate, mode="upscale_in_train"):
    return core(x, rate) if mode == "upscale_in_train" else x


def own_words(x, rate, mode="train"):
    if mode == "train":
        return core(x, rate)
    if mode == "deploy":
        return x
    raise ValueError(mode)


def no_word(x, rate, mode=1):
    return core(x, rate)


class OwnWords(WordedCall):
    def forward(self, x, mode="train"):
        return own_words(x, self.rate, mode)


@pytest.mark.parametrize("target", [upscale, own_words, no_word, OwnWords])
def test_a_mode_that_is_not_understood_is_left_alone_and_said(target):
    report, text = verdict_of(target)
    assert report.verdict == "pass", text
    assert report["inference.law"].verdict == "not-applicable"
    assert "the evaluation pass is not judged" in said(report)
    assert "dropout_stats.Target(train=..., evaluate=...)" in said(report)


def test_a_layer_described_by_from_layer_reads_words_too():
    target = ds.Target.from_layer(WordedAttribute)
    assert verdict_of(target)[0]["inference.law"].verdict == "pass"
    report, text = verdict_of(ds.Target.from_layer(OwnWords))
    assert report.verdict == "pass", text
    assert "the evaluation pass is not judged" in said(report)


# Randomness that is handed over


class OwnsGenerator:
    def __init__(self, p, rng):
        self.p, self.rng = p, rng

    def forward(self, x, train_flg=True):
        return core(x, self.p, self.rng) if train_flg else x


class OwnsSeed:
    def __init__(self, seed, rate):
        self.rate, self.rng = rate, np.random.default_rng(seed)

    def __call__(self, x):
        return core(x, self.rate, self.rng)


class TakesGenerator:
    def __init__(self, rate):
        self.rate = rate

    def __call__(self, x, rng, training=True):
        return core(x, self.rate, rng) if training else x


class TakesKeyFirst(TakesGenerator):
    def __call__(self, key, x):
        return core(x, self.rate, np.random.default_rng(key))


@pytest.mark.parametrize(
    ("target", "randomness"),
    [
        (OwnsGenerator, "owned"),
        (OwnsSeed, "owned"),
        (TakesGenerator, "key"),
        (TakesKeyFirst, "key"),
    ],
)
def test_a_layer_gets_the_randomness_that_it_needs(target, randomness):
    reports = [ds.check(target, **COARSE) for _ in range(2)]
    assert reports[0].verdict == "pass", str(reports[0])
    assert reports[0].conventions["randomness"] == randomness
    assert reports[0] == reports[1], "the seed of the run does not reach the layer"


def test_a_layer_that_seeds_itself_at_each_call_repeats_its_mask():
    class Forgets(OwnsSeed):
        def __init__(self, seed, rate):
            self.rate, self.seed = rate, seed

        def __call__(self, x):
            return core(x, self.rate, np.random.default_rng(self.seed))

    assert verdict_of(Forgets)[0]["calls.repeated_mask"].verdict == "fail"


def test_a_layer_described_by_from_layer_gets_keys_as_well():
    report, text = verdict_of(ds.Target.from_layer(TakesGenerator))
    assert report.verdict == "pass", text
    assert report.conventions["randomness"] == "key"

    class OptionalKey:
        def __init__(self, rate):
            self.rate = rate

        def __call__(self, x, key=None):
            return core(x, self.rate, np.random.default_rng(key))

    keyed = ds.Target.from_layer(OptionalKey, conventions=ds.Conventions(randomness="key"))
    reports = [ds.check(keyed, **COARSE) for _ in range(2)]
    assert reports[0] == reports[1]


def test_what_else_a_constructor_needs_is_asked_for():
    class Wide:
        def __init__(self, width, rate, rng):
            pass

    built = re.escape("lambda rate, rng: Wide(width=..., rng=rng, rate=rate)")
    with pytest.raises(ds.HarnessError, match=built):
        ds.check(Wide)

    class Weighted:
        def __init__(self, rate):
            self.rate = rate

        def forward(self, x, weights, bias=0):
            return x @ weights + bias

    with pytest.raises(ds.HarnessError, match="Weighted needs weights, and nothing says"):
        ds.check(Weighted)
    described = ds.Target.from_layer(Weighted, train=lambda layer, x: core(x, layer.rate))
    assert verdict_of(described)[0].verdict == "pass"

    class Configured:
        def __init__(self, config):
            self.rate = config["rate"]

    with pytest.raises(ds.HarnessError, match="'config' was assumed to be the drop rate"):
        ds.check(Configured)
    with pytest.raises(ds.HarnessError, match="hand over its class"):
        ds.check(OwnsSeed(1, 0.3))

    class Ratless:
        pass

    with pytest.raises(
        ds.HarnessError, match=r"no parameter for the rate(.|\n)*adapt\(lambda rate: Ratless"
    ):
        ds.check(Ratless)


# What was only assumed


def settings(x, dropout_param):
    return core(x, dropout_param["p"])


def an_axis(x, axis):
    return x.sum(axis)


def a_flag(x, keep):
    return x[keep.astype(bool)]


def another_generator(x, rate, rng):
    return x * (rng.rand(*x.shape) >= rate)


def anything(*args):
    x, rate, temperature = args if len(args) == 3 else (*args, None)
    return core(x, rate) * temperature


class AnotherGenerator:
    def __init__(self, rate, rng):
        self.rate, self.rng = rate, rng

    def __call__(self, x):
        return another_generator(x, self.rate, self.rng)


@pytest.mark.parametrize(
    ("target", "assumed"),
    [
        (settings, "'dropout_param' was assumed to be the drop rate"),
        (an_axis, "'axis' was assumed to be the drop rate"),
        (a_flag, "'keep' was read as the keep probability"),
        (another_generator, "'rng' was given a numpy.random._generator.Generator"),
        (AnotherGenerator, "'rng' was given a numpy.random._generator.Generator"),
        (anything, "it was called as f(x, rate)"),
    ],
)
def test_a_call_that_breaks_on_an_assumption_accuses_nobody(target, assumed):
    with pytest.raises(ds.HarnessError) as caught:
        ds.check(target)
    text = str(caught.value)
    assert assumed in text
    assert "Error: " in text
    assert "nothing was said about the dropout" in text
    assert "dropout_stats.Target(train=" in text


def test_a_dictionary_of_settings_is_explained():
    with pytest.raises(ds.HarnessError) as caught:
        ds.check(settings)
    example = re.search(r"dropout_stats\.Target\(\n.*?\n    \)", str(caught.value), re.DOTALL)
    target = eval(example[0], {"dropout_stats": ds, "settings": settings})  # noqa: S307
    assert ds.check(target, **COARSE)["rate.marginal"].verdict == "pass"
    with pytest.raises(ds.HarnessError) as caught:
        ds.check(an_axis)
    assert "dictionary" not in str(caught.value)


def test_a_call_that_breaks_although_its_names_are_plain_is_the_targets_failure():
    def breaks(x, rate):
        return x.drop(rate)

    report, _ = verdict_of(breaks)
    assert report["interface.call"].verdict == "fail"
    assert "AttributeError" in report["interface.call"].message


def test_an_assumption_that_works_is_said():
    def with_level(x, level):
        return core(x, level)

    report, _ = verdict_of(with_level)
    assert report.verdict == "pass"
    assert "'level' was assumed to be the drop rate" in said(report)


def test_an_input_that_is_refused_is_no_sign_of_a_wrong_assumption():
    def images(x, level):
        if x.ndim != 4:
            raise ValueError("only batches of images")
        return core(x, level)

    four = ds.Conventions(ndims=(4, 4))
    assert verdict_of(images, conventions=four)[0].verdict == "pass"


def test_a_partial_application_is_read_like_a_function():
    def scaled(factor, x, rate):
        return factor * core(x, rate)

    report, text = verdict_of(partial(scaled, 1))
    assert report.verdict == "pass", text
