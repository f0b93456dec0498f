"""A call without an answer is diagnosed as what it is, and beside it whatever else is wrong."""

import pytest

import dropout_stats as ds
from dropout_stats import zoo
from dropout_stats.zoo.interface import RaisesAtCallThirty, ReturnsAList
from dropout_stats.zoo.limits import RaisesAtRateOne
from dropout_stats.zoo.scale import NoScaling, ScaledTwice

COARSE = {"rates": (0.3,), "dtypes": ("float32",), "resolution": 2**-4, "seed": 13}


def stop():
    raise RuntimeError("here it ends")


class Raises(zoo.Core):
    def train(self, x, rate):
        stop()


class RaisesInFourDimensions(zoo.Core):
    def train(self, x, rate):
        return stop() if x.ndim == 4 else super().train(x, rate)


class RaisesAtRateZero(zoo.Core):
    def require(self, rate):
        return stop() if rate == 0 else super().require(rate)


class RaisesInEvaluation(zoo.Core):
    def evaluate(self, x, rate):
        stop()


class EvaluatesToNone(zoo.Core):
    def evaluate(self, x, rate):
        return None


class RaisesBackwards(zoo.Core):
    def backward(self, dy, y, mask, rate):
        stop()


class ReturnsNoPair(zoo.Core):
    def vjp(self, x, dy, rate):
        return super().vjp(x, dy, rate)[1]


class RaisesForPeers(zoo.Core):
    def peers(self, x, rate, count):
        stop()


class UnscaledAndRaisesAtRateOne(RaisesAtRateOne, NoScaling):
    def apply(self, x, mask, rate):
        return RaisesAtRateOne.apply(self, x, mask, rate) * 0 + NoScaling.apply(self, x, mask, rate)


class ScaledTwiceAndRaises(RaisesAtCallThirty, ScaledTwice):
    pass


class ScaledTwiceAndRaisesBackwards(RaisesBackwards, ScaledTwice):
    pass


class ReturnsAListAndRaisesInEvaluation(ReturnsAList, RaisesInEvaluation):
    pass


class RaisesInFourDimensionsAndAtRateOne(RaisesInFourDimensions, RaisesAtRateOne):
    pass


_NOT_DIFFERENTIATED = "the training pass cannot be differentiated"
_NOT_EVALUATED = "the evaluation pass gives no answer"
CASES = {
    Raises: ["training passes raise"],
    RaisesInFourDimensions: ["some shapes are not taken"],
    RaisesAtRateZero: ["raising at rate 0"],
    RaisesInEvaluation: [_NOT_EVALUATED],
    EvaluatesToNone: [_NOT_EVALUATED],
    RaisesBackwards: [_NOT_DIFFERENTIATED],
    ReturnsNoPair: [_NOT_DIFFERENTIATED],
    RaisesForPeers: ["a declared call gives no answer"],
    UnscaledAndRaisesAtRateOne: ["no scaling", "raising at rate 1"],
    ScaledTwiceAndRaises: ["training passes raise after others were answered", "scaled twice"],
    ScaledTwiceAndRaisesBackwards: ["scaled twice", _NOT_DIFFERENTIATED],
    ReturnsAListAndRaisesInEvaluation: ["no array is returned", _NOT_EVALUATED],
    RaisesInFourDimensionsAndAtRateOne: ["some shapes are not taken", "raising at rate 1"],
}


@pytest.mark.parametrize("specimen", CASES, ids=lambda cls: cls.__name__)
def test_a_call_without_an_answer_is_named_beside_other_faults(specimen):
    report = ds.check(specimen().target(evaluate_vjp=None), **COARSE)
    assert [diagnosis.name for diagnosis in report.diagnoses] == CASES[specimen]
    accounted = [check for diagnosis in report.diagnoses for check in diagnosis.checks]
    assert sorted(accounted) == sorted({result.check for result in report.failures})
