"""The test that most projects ship sees four of twenty-two faults."""

from dropout_stats import zoo
from dropout_stats.zoo.naive import caught, complaints

LIST = [specimen for specimen in zoo.WRONG if specimen.naive]


def test_the_naive_test_passes_what_is_correct():
    assert complaints(zoo.Core().target()) == ()


def test_the_naive_test_misses_eighteen_of_twenty_two():
    assert len(LIST) == 22
    assert set(caught(LIST)) == {
        "NoScaling",
        "DropsInEvaluation",
        "FreshMaskInBackward",
        "IgnoresTheSeed",
    }


def test_its_score_does_not_hang_on_chance():
    assert caught(LIST) == caught(LIST)
