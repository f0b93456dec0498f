"""Inputs that a target never said it takes, and does not take, are no fault of it."""

import numpy as np
import pytest

import dropout_stats as ds
from dropout_stats import zoo

QUICK = {"rates": (0.3,), "resolution": 2**-4, "seed": 8}


class Singles(zoo.Core):
    """Takes float32 of one or two dimensions, and says so of the type alone."""

    def train(self, x, rate):
        if x.dtype != np.float32:
            raise TypeError(f"{x.dtype} is not supported")
        if x.ndim > 2:
            raise IndexError(f"{x.ndim} dimensions are not supported")
        return super().train(x, rate)


def judged(conventions=None, **options):
    return ds.check(
        Singles().target(vjp=None, peers=None), conventions=conventions, **QUICK, **options
    )


def test_a_type_that_is_not_declared_and_refused_is_not_applicable():
    report = judged(dtypes=["float32", "float16"], conventions=ds.Conventions(ndims=(0, 2)))
    assert report.verdict == "pass", report
    refused = [result for result in report.results if result.case.dtype == "float16"]
    assert refused
    for result in refused:
        assert result.verdict == "not-applicable"
        assert "raised TypeError: float16 is not supported" in result.message
    (said,) = [line for line in report.observations if "does not declare" in line]
    assert said.startswith("the target does not declare inputs of float16, and refuses them")


def test_what_is_refused_as_a_whole_is_never_a_pass():
    report = judged(dtypes=["float16"])
    assert report.verdict == "inconclusive"
    assert {result.verdict for result in report.results} == {"not-applicable"}


def test_a_rank_that_is_not_declared_and_refused_is_not_applicable():
    held = ds.Conventions(ndims=(0, 2))
    report = judged(dtypes=["float32"], conventions=held, shapes=[(8, 8, 8)])
    assert report.verdict == "inconclusive"
    assert "does not declare inputs of 3 dimensions" in report["interface.call"].message


@pytest.mark.parametrize(
    ("declared", "asked"),
    [
        (ds.Conventions(dtypes=("float32", "float16"), ndims=(0, 2)), {}),
        (ds.Conventions(ndims=(0, 3)), {"dtypes": ["float32"]}),
    ],
)
def test_what_is_declared_and_refused_is_a_failure(declared, asked):
    assert judged(conventions=declared, **asked).verdict == "fail"


def test_a_type_that_is_not_declared_and_answered_wrongly_is_a_failure():
    class Doubles(zoo.Core):
        def train(self, x, rate):
            return super().train(x, rate).astype(np.float64)

    report = ds.check(Doubles().target(vjp=None), dtypes=["float16"], **QUICK)
    assert report["interface.dtype"].verdict == "fail"
