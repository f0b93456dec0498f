"""Whether a unit is kept as often where its input is 0, where that can be seen."""

import numpy as np
import pytest

import dropout_stats as ds
from dropout_stats import zoo

ASKED = {"rates": (0.1, 0.3, 0.9), "resolution": 2**-5, "seed": 3, "checks": ["input.zero"]}


def returning(kept_at_zero):
    """Inverted dropout that returns its mask; `kept_at_zero` makes that of zeros."""

    class Returns(zoo.Core):
        def train(self, x, rate):
            mask = self.mask(x.shape, rate)
            mask = np.where(x == 0, kept_at_zero(mask, self.mask(x.shape, rate)), mask)
            return ds.Output(self.apply(x, mask, rate), mask)

    return Returns().target()


@pytest.mark.parametrize(
    ("kept_at_zero", "verdict"),
    [
        (lambda mask, _: mask, "pass"),
        (lambda _, other: other, "pass"),
        (lambda mask, _: np.ones_like(mask), "fail"),
        (lambda mask, _: np.zeros_like(mask), "fail"),
        (lambda mask, other: mask & other, "fail"),
    ],
)
def test_a_returned_mask_shows_what_zeros_become(kept_at_zero, verdict):
    report = ds.check(returning(kept_at_zero), **ASKED)
    assert report["input.zero"].verdict == verdict, str(report)


def test_nothing_is_said_where_a_zero_shows_nothing():
    assert ds.check(zoo.Core().target(), **ASKED)["input.zero"].verdict == "not-applicable"


def test_a_wrong_rate_is_not_blamed_on_zeros():
    class AtAnotherRate(zoo.Core):
        def train(self, x, rate):
            mask = self.mask(x.shape, rate / 2)
            return ds.Output(self.apply(x, mask, rate), mask)

    assert ds.check(AtAnotherRate().target(), **ASKED)["input.zero"].verdict == "inconclusive"
