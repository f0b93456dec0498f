"""Units of several elements: which axes share a draw, and what the closed forms become."""

import itertools

import numpy as np
import pytest

import dropout_stats as ds
from dropout_stats.laws import by_name, spelled
from dropout_stats.laws.sharing import Sharing

SHAPES = {
    "element": [(), (3,), (2, 3), (2, 3, 4)],
    "channel": [(2, 3, 4), (2, 3, 4, 5)],
    "channel-last": [(2, 3, 4), (2, 3, 4, 5)],
    "sample": [(2, 3), (2, 3, 4)],
    (1,): [(2, 3), (2, 3, 4)],
    (-1,): [(2, 3), (2, 3, 4)],
    (0, 2): [(2, 3, 4), (2, 3, 4, 5)],
}
PAIRS = [(unit, shape) for unit, shapes in SHAPES.items() for shape in shapes]
COARSE = {"rates": (0.1, 0.3, 0.9), "resolution": 2**-5, "dtypes": ["float32"]}


@pytest.mark.parametrize(
    ("unit", "shape", "draws"),
    [
        ("element", (2, 3, 4), (2, 3, 4)),
        ("channel", (2, 3, 4, 5), (2, 3)),
        ("channel-last", (2, 3, 4, 5), (2, 5)),
        ("sample", (2, 3, 4), (2,)),
        ((1,), (2, 3, 4), (2, 4)),
        ((-1,), (2, 3, 4), (2, 3)),
        ((-1, 1), (2, 3, 4), (2,)),
    ],
)
def test_which_axes_have_draws_of_their_own(unit, shape, draws):
    sharing = Sharing(unit)
    assert sharing.draws(shape) == draws
    assert sharing.units(shape) == np.prod(draws)
    assert tuple(length for length in sharing.kept_dims(shape) if length > 1) == draws


@pytest.mark.parametrize(("unit", "shape"), PAIRS)
def test_a_draw_is_spread_over_its_unit_and_read_back(unit, shape):
    sharing = Sharing(unit)
    numbers = np.arange(sharing.units(shape)).reshape(sharing.draws(shape))
    spread = sharing.spread(numbers, shape)
    assert spread.shape == shape
    assert np.array_equal(sharing.first(spread), numbers)
    axes = sharing.axes(len(shape))
    assert np.array_equal(spread.min(axis=axes), spread.max(axis=axes))
    assert sharing.draws(sharing.call_shape(sharing.draws(shape), len(shape))) == numbers.shape


@pytest.mark.parametrize(("unit", "shape"), PAIRS)
@pytest.mark.parametrize("law", [ds.laws.Inverted, ds.laws.TestScaled])
def test_over_all_masks_mean_and_variance_are_the_laws(law, unit, shape):
    held = law(unit=unit)
    if held.sharing.units(shape) > 12:
        shape = (*shape[:-1], 1)
    rng = np.random.default_rng(4)
    x, rate = rng.normal(size=shape), 0.3
    masks = held.sharing.kept_dims(shape)
    first = second = 0.0
    for bits in itertools.product((False, True), repeat=int(np.prod(masks))):
        mask = np.array(bits).reshape(masks)
        chance = np.prod(np.where(mask, 1 - rate, rate))
        y = held.apply(x, mask, rate)
        first, second = first + chance * y, second + chance * y**2
        reading = held.read(x, y, rate)
        assert reading.torn == reading.violations == 0
        assert np.array_equal(reading.mask(), mask.reshape(-1))
    assert np.allclose(first, held.mean(rate) * x, atol=1e-12)
    assert np.allclose(second - first**2, held.variance(rate) * x**2, atol=1e-12)


def test_a_unit_that_is_kept_in_part_is_torn():
    law, x = ds.laws.Inverted(unit="channel"), np.ones((2, 2, 3))
    y = law.apply(x, np.ones((2, 2, 1), bool), 0.5)
    y[1, 0, 2] = 0
    reading = law.read(x, y, 0.5)
    assert (reading.torn, reading.first_torn, reading.violations) == (1, (1, 0), 0)


@pytest.mark.parametrize("unit", [u for u in SHAPES if u != "element"], ids=str)
@pytest.mark.parametrize(
    ("law", "dtypes"), [(ds.laws.Inverted, None), (ds.laws.TestScaled, ["float32"])]
)
def test_the_reference_of_a_unit_passes(law, dtypes, unit):
    held = law(unit=unit)
    report = ds.check(ds.reference(held), seed=6, **{**COARSE, "dtypes": dtypes})
    assert report.verdict == "pass", str(report)
    assert not any("keeps a part" in text for text in report.observations)
    assert by_name(report.law) == by_name(spelled(held)) == held


@pytest.mark.parametrize(
    ("drawn", "declared", "check"),
    [
        ("element", "channel", "support.shared_draw"),
        ("channel-last", "channel", "support.shared_draw"),
        ("channel", "sample", "support.shared_draw"),
        ("sample", "channel", "dependence.axes"),
        ("channel", "element", "dependence.axes"),
        ((1,), "element", "dependence.axes"),
    ],
)
def test_another_unit_than_declared_is_seen(drawn, declared, check):
    target = ds.reference(ds.laws.Inverted(unit=drawn))
    report = ds.check(target, ds.laws.Inverted(unit=declared), seed=6, **COARSE)
    assert report[check].verdict == "fail", str(report)
    assert "share" in report.diagnoses[0].explanation


@pytest.mark.parametrize(
    "unit", ["chanel", (), (1, 1), (1.0,), [1], None, 3, ("channel",), (True,)], ids=str
)
def test_what_is_no_unit_is_refused(unit):
    with pytest.raises(ds.UsageError, match="unit must be"):
        ds.laws.Inverted(unit=unit)


def test_shapes_and_dimensions_without_room_for_a_unit_are_refused():
    target = ds.reference(ds.laws.Inverted(unit="channel"))
    with pytest.raises(ds.UsageError, match=r"shape \(3, 5\)"):
        ds.check(target, shapes=[(3, 5)])
    with pytest.raises(ds.UsageError, match="ndims"):
        ds.check(target, conventions=ds.Conventions(ndims=(0, 2)))


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "broadcast"])
def test_a_returned_mask_may_be_broadcast(whole):
    rng = np.random.default_rng(3)

    def train(x, rate):
        mask = rng.random((*x.shape[:2], *(1,) * (x.ndim - 2))) >= rate
        y = np.where(mask, x / np.float32(1 - rate), np.float32(0))
        return ds.Output(y, mask=np.broadcast_to(mask, x.shape) if whole else mask)

    target = ds.Target(train=train, law=ds.laws.Inverted(unit="channel"))
    report = ds.check(target, checks=["support.*"], seed=1, **COARSE)
    assert report["support.returned_mask"].verdict == "pass", str(report)
