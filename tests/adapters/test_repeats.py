"""Whether passes on one input agree: what is compared, and how closely."""

from dataclasses import dataclass

import numpy as np
import pytest

from dropout_stats.adapters.repeats import drawn_by, repeats_of


@dataclass
class Answer:
    logits: np.ndarray
    name: str = "a word is not compared"


def compared(*outputs):
    """What passes with these outputs show, the last of them repeated."""
    left = list(outputs)
    return repeats_of(lambda: left.pop(0) if len(left) > 1 else left[0], lambda array: array)


ONES = np.ones((3, 4), np.float32)


@pytest.mark.parametrize(
    "other",
    [
        ONES + np.float32(1e-2),
        np.where(np.eye(3, 4) > 0, np.float32(np.nan), ONES),
        np.where(np.eye(3, 4) > 0, np.float32(np.inf), ONES),
        np.ones((3, 5), np.float32),
        1.5,
    ],
)
@pytest.mark.parametrize(
    "held", [lambda y: y, lambda y: {"y": (0, [y])}, Answer], ids=["bare", "nested", "dataclass"]
)
def test_outputs_that_differ_are_seen_in_any_container(held, other):
    assert compared(held(ONES), held(ONES)) == ("", True)
    assert compared(held(ONES), held(ONES), held(other)).differ


def test_the_order_of_a_sum_is_no_noise():
    rounded = ONES * np.float32(1 + 1e-5)
    assert compared(1000 * ONES, 1000 * rounded).differ == ""
    assert compared(ONES.astype(np.float64), rounded.astype(np.float64)).differ
    halves = ONES.astype(np.float16)
    assert compared(halves, halves * np.float16(1.002)).differ == ""
    assert compared(np.arange(3), np.array([0, 1, 3])).differ, "integers are not rounded"


def test_what_differs_with_the_seed_alone_is_drawn_however_small():
    """Kernels that differ by themselves do so with one seed, too."""
    rng = np.random.default_rng()

    def passes(noise_of_kernels):
        seeded = []

        def call():
            return ONES + seeded[-1] * np.float32(1e-5) + noise_of_kernels * rng.random() * 1e-5

        return repeats_of(call, lambda array: array, seeded.append)

    assert passes(0.0).differ.startswith("differ by up to")
    assert passes(1.0).differ == ""


def test_what_agrees_agrees_where_it_is_not_finite():
    odd = np.array([np.nan, np.inf, -np.inf, 1.0])
    assert compared(odd, odd.copy()) == ("", True)


def test_the_size_of_a_difference_is_said():
    found = compared(ONES, ONES + np.float32(0.5))
    assert found.differ == "differ by up to 0.5, where its values reach 1"
    assert "two evaluation passes of it on one input differ by up to 0.5" in found.notes(0)[0]


def test_outputs_without_arrays_are_said_not_to_be_compared():
    found = compared({"state": object()})
    assert found == ("", False)
    assert "its evaluation passes were not compared" in found.notes(0)[0]


def test_a_model_that_cannot_be_called_shows_nothing():
    def repeat(training):
        raise RuntimeError

    assert drawn_by(repeat) == []
