"""Rounding of kept values, and rates that a coarse threshold cannot hold."""

import numpy as np
import plain
import pytest

import dropout_stats as ds
from dropout_stats.dtypes import as_dtype
from dropout_stats.laws.grid import keep_probs
from dropout_stats.zoo.correct import ComputesInDouble, DividesByKeepProb
from dropout_stats.zoo.precision import (
    ComputesInHalfPrecision,
    EightBitThreshold,
    HalfPrecisionScale,
    RateInBfloat16,
)
from dropout_stats.zoo.rate import AppliedTwice, SwappedMask

COARSE = {"rates": (0.1, 0.3, 0.9), "resolution": 2**-5, "seed": 43}


def values_of(specimen, dtype="float32"):
    target = specimen().target(conventions=ds.Conventions(dtypes=(dtype,)))
    report = ds.check(target, **COARSE, checks=["precision.values"])
    return report["precision.values"], "\n".join(report.observations)


class TailInAnotherPrecision(plain.Core):
    """The body multiplies in double, the tail in the type: both are right, and they differ."""

    def apply(self, x, mask, rate):
        y = super().apply(x, mask, rate)
        exact = np.where(mask, x.astype(np.float64) / (1 - rate), 0).astype(x.dtype)
        body = x.size - x.size // 8
        y.reshape(-1)[:body] = exact.reshape(-1)[:body]
        return y


class TableForRepeatedInputs(plain.Core):
    """A shortcut for inputs that repeat, in half precision; other checks feed distinct ones."""

    def apply(self, x, mask, rate):
        y = super().apply(x, mask, rate)
        if x.size > 1000 and len(np.unique(np.abs(x))) <= x.size // 2:
            return y.astype(np.float16).astype(x.dtype)
        return y


@pytest.mark.parametrize(
    "specimen", [HalfPrecisionScale, ComputesInHalfPrecision, TableForRepeatedInputs]
)
def test_a_value_that_no_rounding_explains_fails(specimen):
    found, _ = values_of(specimen)
    assert found.verdict == "fail"
    assert "at index (0, " in found.message
    assert "expected 0 (dropped) or" in found.message


def test_nothing_else_sees_a_shortcut_for_repeated_inputs():
    report = ds.check(TableForRepeatedInputs().target(), **COARSE)
    assert {result.check for result in report.failures} == {"precision.values"}, str(report)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_two_roundings_in_one_call_are_observed_and_spared(dtype):
    found, said = values_of(TailInAnotherPrecision, dtype)
    assert found.verdict == "pass", found.message
    assert f"not all rounded alike in {dtype}" in said


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("specimen", plain.CORRECT, ids=lambda v: v.__name__)
def test_correct_roundings_pass(specimen, dtype):
    found, said = values_of(specimen, dtype)
    assert found.verdict == "pass", found.message
    assert "not all rounded alike" not in said


def test_the_rounding_is_named():
    assert "the scale is rounded to bfloat16" in values_of(plain.Core, "bfloat16")[1]
    divided, said = values_of(DividesByKeepProb, "bfloat16")
    assert "divided by the keep probability rounded to bfloat16" in divided.message
    assert "divided" in said
    exact, said = values_of(ComputesInDouble, "float16")
    assert "the exact product is rounded once" in exact.message
    assert not said


class CoarseUniforms(plain.Core):
    bits = 11

    def uniforms(self, shape):
        return self.rng.integers(0, 2**self.bits, shape) / 2**self.bits


class SevenBitUniforms(CoarseUniforms):
    bits = 7


class ComparesInBfloat16(SevenBitUniforms):
    def mask(self, shape, rate):
        return super().mask(shape, float(as_dtype("bfloat16").type(rate)))


class UniformsRoundedToBfloat16(plain.Core):
    def mask(self, shape, rate):
        short = as_dtype("bfloat16")
        return self.uniforms(shape).astype(np.float32).astype(short) >= short.type(rate)


class BytesBelowARoundedThreshold(plain.Core):
    def mask(self, shape, rate):
        return self.rng.integers(0, 256, shape) < round(256 * (1 - rate))


NAMES = {
    EightBitThreshold: "an 8-bit threshold",
    BytesBelowARoundedThreshold: "an 8-bit threshold",
    CoarseUniforms: "an 11-bit threshold",
    SevenBitUniforms: "a 7-bit threshold",
    ComparesInBfloat16: "a 7-bit threshold",
    UniformsRoundedToBfloat16: "the random numbers are rounded to bfloat16",
    RateInBfloat16: "the rate is rounded to bfloat16",
}


@pytest.mark.parametrize("specimen", NAMES, ids=lambda v: v.__name__)
def test_a_coarse_rate_is_caught_and_named_at_default_settings(specimen):
    report = ds.check(specimen().target(), seed=3, skip=["structure.*", "gradient.*"])
    assert report["rate.marginal"].verdict == "fail"
    assert [d.name for d in report.diagnoses] == [NAMES[specimen]], str(report)
    assert "float32" in report.diagnoses[0].explanation
    if "threshold" in NAMES[specimen]:
        assert "rate_bits=" in report.diagnoses[0].fix


def test_a_type_that_is_coarse_alone_is_named():
    class CoarseInBfloat16(plain.Core):
        def train(self, x, rate):
            bits = 7 if x.dtype.name == "bfloat16" else 30
            mask = self.rng.integers(0, 2**bits, x.shape) / 2**bits >= rate
            return self.apply(x, mask, rate)

    conventions = ds.Conventions(dtypes=("float32", "bfloat16"))
    target = CoarseInBfloat16().target(conventions=conventions, vjp=None)
    report = ds.check(target, rates=(0.1, 0.3, 0.9), seed=2, checks=["rate.*"])
    assert [d.name for d in report.diagnoses] == ["a 7-bit threshold"], str(report)
    assert "in bfloat16" in report.diagnoses[0].explanation


def test_types_that_are_coarse_each_in_its_own_way_are_all_named():
    class DrawsInTheTypeOfTheInput(plain.Core):
        def train(self, x, rate):
            bits = {"bfloat16": 7, "float16": 10}[x.dtype.name]
            uniforms = self.rng.integers(0, 2**bits, x.shape) / 2**bits
            return self.apply(x, uniforms >= float(x.dtype.type(rate)), rate)

    conventions = ds.Conventions(dtypes=("float16", "bfloat16"))
    target = DrawsInTheTypeOfTheInput().target(conventions=conventions, vjp=None)
    report = ds.check(target, rates=(0.001, 0.3, 0.9), seed=2, checks=["rate.*", "gap.*"])
    named = {d.name: d.explanation for d in report.diagnoses}
    assert named.keys() == {"a 7-bit threshold", "a 10-bit threshold"}, str(report)
    assert "in bfloat16, a unit is kept with probability 127/128" in named["a 7-bit threshold"]


@pytest.mark.parametrize("specimen", [SwappedMask, AppliedTwice, plain.AlwaysDrops])
def test_another_wrong_rate_is_not_called_quantised(specimen):
    report = ds.check(specimen().target(), **COARSE, checks=["rate.*", "support.*"])
    assert report.verdict == "fail"
    assert not any("bit" in d.name or "rounded" in d.name for d in report.diagnoses)


@pytest.mark.parametrize(
    ("specimen", "bits"),
    [
        (EightBitThreshold, 8),
        (BytesBelowARoundedThreshold, 8),
        (CoarseUniforms, 11),
        (SevenBitUniforms, 7),
        (ComparesInBfloat16, 7),
    ],
)
def test_a_declared_grid_is_held_and_passes(specimen, bits):
    law = ds.laws.Inverted(rate_bits=bits)
    options = {"rates": (0.1, 0.3, 0.9), "resolution": 2**-8, "seed": 5}
    report = ds.check(specimen().target(law=None), law, **options)
    assert report.verdict == "pass", str(report)
    assert f"ds.laws.Inverted(rate_bits={bits})" in report["rate.marginal"].reproduce
    other = ds.check(specimen().target(law=ds.laws.Inverted(rate_bits=5)), **options)
    assert other["rate.marginal"].verdict == "fail"


def test_an_exact_rate_fails_where_a_coarse_one_is_declared():
    law = ds.laws.TestScaled(rate_bits=4)
    target = plain.TestScaledCore().target(law=law)
    report = ds.check(target, rates=(0.1, 0.9), resolution=2**-7, seed=6)
    assert report["rate.marginal"].verdict == "fail"
    assert "0.875 or 0.9375" in report["rate.marginal"].message


def test_the_reference_of_a_coarse_law_conforms_to_it():
    for law in (ds.laws.Inverted(rate_bits=8), ds.laws.TestScaled(rate_bits=7)):
        report = ds.check(ds.reference(law), rates=(0.001, 0.3), resolution=2**-7, seed=7)
        assert report.verdict == "pass", str(report)


@pytest.mark.parametrize(
    ("rate", "bits", "lawful"),
    [
        (0.3, None, (0.7,)),
        (0.5, 8, (0.5,)),
        (0.1, 8, (230 / 256, 231 / 256)),
        (0.001, 8, (255 / 256,)),
        (0.999, 8, (1 / 256,)),
        (0.9, 4, (2 / 16, 1 / 16)),
        (0.0, 8, (1.0,)),
        (1.0, 8, (0.0,)),
    ],
)
def test_the_lawful_keep_probabilities_are_the_neighbours_on_the_grid(rate, bits, lawful):
    assert keep_probs(rate, bits) == pytest.approx(lawful, abs=1e-15)


@pytest.mark.parametrize("bits", [0, -1, 25, 2.5, True, "8"])
def test_bits_that_make_no_sense_are_refused(bits):
    with pytest.raises(ds.UsageError, match="rate_bits must be"):
        ds.laws.Inverted(rate_bits=bits)


def test_laws_are_shown_as_they_are_written():
    assert str(ds.laws.Inverted()) == "Inverted()"
    assert str(ds.laws.TestScaled(rate_bits=8)) == "TestScaled(rate_bits=8)"
    assert ds.laws.Inverted() == ds.laws.Inverted(rate_bits=None) != ds.laws.Inverted(rate_bits=8)
