"""Generated single calls: what each check kills, what it spares, and how small it gets a call."""

import numpy as np
import plain
import pytest

import dropout_stats as ds
from dropout_stats.checks import pointwise, search, spaces
from dropout_stats.checks.search import smallest
from dropout_stats.checks.single import FILLINGS, LAYOUTS, Call, make
from dropout_stats.dtypes import KNOWN
from dropout_stats.zoo.correct import ScaleInsideTheMask
from dropout_stats.zoo.gradient import UnmaskedGradient
from dropout_stats.zoo.interface import PermutesStridedValues
from dropout_stats.zoo.limits import CleansNaN, InfinityTimesZero
from dropout_stats.zoo.scale import ScaledInBothModes, TailIsNotScaled

COARSE = {"rates": (0.1, 0.3, 0.9), "resolution": 2**-5, "seed": 41}
STRUCTURE = {**COARSE, "checks": ["structure.*"]}


def judge(target, **options):
    return ds.check(target, **{**STRUCTURE, **options})


class ShiftedAboveTenThousand(plain.Core):
    def apply(self, x, mask, rate):
        y = super().apply(x, mask, rate)
        odd = x.size > 10_000 and x.size % 2
        return np.roll(y.reshape(-1), 1).reshape(x.shape) if odd else y


class FailsInFiveDimensions(plain.Core):
    def apply(self, x, mask, rate):
        return super().apply(x, mask, rate) if x.ndim < 5 else x * mask


class GradientIsWrongInOneDimension(plain.Core):
    """Wrong whatever its mask is, so that one unit shows it."""

    def vjp(self, x, dy, rate):
        y, dx = super().vjp(x, dy, rate)
        return y, dx if x.ndim != 1 else dy


class EvaluationIsWrongForOddSizes(plain.Core):
    def evaluate(self, x, rate):
        return x * x.dtype.type(1.5) if x.size % 2 else x.copy()


class WritesIntoFortranInput(plain.Core):
    def train(self, x, rate):
        y = super().train(x, rate)
        if x.ndim > 1 and x.flags.f_contiguous and x.flags.writeable and not x.flags.c_contiguous:
            x[...] = y
        return y


class WritesBetweenTheColumns(plain.Core):
    def train(self, x, rate):
        if x.ndim and x.strides[-1] == 2 * x.itemsize and x.base is not None:
            x.base[...] = x.base * 0 + np.repeat(x, 2, axis=-1)
        return super().train(x, rate)


class ZerosBecomeSmall(plain.Core):
    def apply(self, x, mask, rate):
        return super().apply(np.where(x == 0, x.dtype.type(1e-3), x), mask, rate)


class InfinityLosesItsSign(plain.Core):
    def apply(self, x, mask, rate):
        return super().apply(np.where(np.isinf(x), np.abs(x), x), mask, rate)


class NoInfinityIsLeft(plain.Core):
    def apply(self, x, mask, rate):
        y = super().apply(x, mask, rate)
        return y if rate == 0 else np.where(np.isinf(x), y - y, y)


class ClipsLargeInputs(plain.Core):
    def apply(self, x, mask, rate):
        return super().apply(np.clip(x, -1e4, 1e4), mask, rate)


class ScaleOfARoundedRate(plain.Core):
    """Right at 0.1, 0.3 and 0.9, where others look."""

    def scale(self, rate):
        return 1 / (1 - min(round(rate, 1), 0.9))


class ScalarsAreNotScaled(plain.Core):
    def apply(self, x, mask, rate):
        return super().apply(x, mask, rate) if x.ndim else x * mask


KILLED_BY = {
    ScalarsAreNotScaled: "structure.shapes",
    TailIsNotScaled: "structure.shapes",
    ShiftedAboveTenThousand: "structure.shapes",
    FailsInFiveDimensions: "structure.shapes",
    GradientIsWrongInOneDimension: "structure.shapes",
    EvaluationIsWrongForOddSizes: "structure.shapes",
    PermutesStridedValues: "structure.layouts",
    WritesIntoFortranInput: "structure.layouts",
    WritesBetweenTheColumns: "structure.layouts",
    ZerosBecomeSmall: "structure.values",
    CleansNaN: "structure.values",
    InfinityLosesItsSign: "structure.values",
    NoInfinityIsLeft: "structure.values",
    ClipsLargeInputs: "structure.values",
    ScaleOfARoundedRate: "structure.rates",
}
SMALLEST = {
    ScalarsAreNotScaled: "train(x of shape () float32, rate=0.3)",
    TailIsNotScaled: "train(x of shape (1,) float32, rate=0.3)",
    ShiftedAboveTenThousand: "train(x of shape (10001,) float32, rate=0.3)",
    FailsInFiveDimensions: "train(x of shape (1, 1, 1, 1, 1) float32, rate=0.3)",
    GradientIsWrongInOneDimension: "vjp(x of shape (1,) float32, rate=0.3)",
    EvaluationIsWrongForOddSizes: "evaluate(x of shape (1,) float32, rate=0.3)",
    PermutesStridedValues: "train(x of shape (2, 3) float32, in Fortran order, rate=0.3)",
    ZerosBecomeSmall: "train(x of shape (3,) float32, with zeros of both signs, rate=0.3)",
    ScaleOfARoundedRate: "train(x of shape (3,) float32, rate=1e-06)",
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("specimen", KILLED_BY, ids=lambda v: v.__name__)
def test_a_specimen_is_killed_by_the_check_it_is_for(specimen, seed):
    report = judge(specimen().target(), seed=seed, checks=[KILLED_BY[specimen]])
    assert report[KILLED_BY[specimen]].verdict == "fail", str(report)
    assert "error" not in {result.verdict for result in report.results}, str(report)


# Short streams of other ranks, and gradients at edges, see these as well.
SEEN_ELSEWHERE = {
    TailIsNotScaled,
    FailsInFiveDimensions,
    GradientIsWrongInOneDimension,
    ZerosBecomeSmall,
    ClipsLargeInputs,
}


@pytest.mark.parametrize(
    "specimen", [s for s in KILLED_BY if s not in SEEN_ELSEWHERE], ids=lambda v: v.__name__
)
def test_nothing_else_sees_it(specimen):
    """Without these checks the specimens would pass: the checks are not superfluous."""
    report = ds.check(specimen().target(), **COARSE, skip=["structure.*"])
    assert report.verdict == "pass", str(report)


@pytest.mark.parametrize("specimen", SMALLEST, ids=lambda v: v.__name__)
def test_a_failure_shrinks_to_the_smallest_call_with_its_numbers(specimen):
    check = KILLED_BY[specimen]
    message = judge(specimen().target(), checks=[check])[check].message
    assert message.startswith(SMALLEST[specimen]), message
    assert "at index (" in message
    assert "expected" in message or "should be" in message


class RefusesStrides(plain.Core):
    def train(self, x, rate):
        if not x.flags.c_contiguous or not x.flags.writeable:
            raise ValueError("only plain C order, please")
        return super().train(x, rate)


class RefusesNaN(plain.Core):
    def train(self, x, rate):
        if not np.isfinite(x).all():
            raise FloatingPointError("not finite")
        return super().train(x, rate)


class RefusesScalarsAndEmpties(plain.Core):
    def train(self, x, rate):
        if not x.ndim or not x.size:
            raise IndexError("nothing to drop")
        return super().train(x, rate)


class ScalarsBecomeVectors(plain.Core):
    def train(self, x, rate):
        return np.atleast_1d(super().train(x, rate))


class FlushesSubnormals(plain.Core):
    def flush(self, x):
        return np.where(np.abs(x) < np.finfo(x.dtype).smallest_normal, x.dtype.type(0), x)

    def train(self, x, rate):
        return self.flush(super().train(self.flush(x), rate))

    def evaluate(self, x, rate):
        return self.flush(x)


class Saturates(plain.Core):
    def apply(self, x, mask, rate):
        y = super().apply(x, mask, rate)
        top = np.finfo(x.dtype).max
        return np.where(np.isinf(y) & np.isfinite(x), np.copysign(top, y), y)


class ReturnsItsInputAtRateZero(plain.Core):
    def train(self, x, rate):
        return x if rate == 0 else super().train(x, rate)


SPARED = {
    RefusesStrides: "refuses an input in",
    RefusesNaN: "refuses an input with NaN: raised FloatingPointError: not finite",
    RefusesScalarsAndEmpties: None,
    ScalarsBecomeVectors: "returned the shape (1,)",
    ScaleInsideTheMask: "a dropped NaN stays NaN, a dropped infinity becomes NaN",
    InfinityTimesZero: "a dropped NaN stays NaN, a dropped infinity becomes NaN",
    FlushesSubnormals: "subnormal numbers may become 0",
    Saturates: None,
    ReturnsItsInputAtRateZero: "the training pass may return its input itself",
}


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("specimen", SPARED, ids=lambda v: v.__name__)
def test_what_nobody_declared_is_observed_and_never_accused(specimen, seed):
    conventions = ds.Conventions(
        dtypes=("float32", "float16"), rate_domain="[0, 1]", randomness="owned"
    )
    report = judge(specimen().target(conventions=conventions), seed=seed)
    assert report.verdict == "pass", str(report)
    said = "\n".join(report.observations)
    assert (SPARED[specimen] or "") in said


@pytest.mark.parametrize("specimen", plain.CORRECT, ids=lambda v: v.__name__)
@pytest.mark.parametrize("seed", range(2))
def test_correct_dropouts_pass_in_every_type(specimen, seed):
    conventions = ds.Conventions(
        dtypes=("float16", "bfloat16", "float32", "float64"), rate_domain="[0, 1]"
    )
    report = judge(specimen().target(conventions=conventions), seed=seed)
    assert report.verdict == "pass", str(report)


def test_a_declared_fate_of_dropped_nan_is_held():
    for specimen, right, wrong in (
        (plain.Core, "zero", "propagate"),
        (ScaleInsideTheMask, "propagate", "zero"),
    ):
        for declared in (right, wrong):
            conventions = ds.Conventions(rate_domain="[0, 1]", dropped_nonfinite=declared)
            report = judge(specimen().target(conventions=conventions))
            expected = "pass" if declared == right else "fail"
            assert report["structure.values"].verdict == expected, str(report)
            assert not any("dropped NaN" in text for text in report.observations)
    with pytest.raises(ds.UsageError, match="Did you mean 'zero'"):
        ds.Conventions(dropped_nonfinite="zeros")


def test_a_rate_that_is_refused_aloud_is_no_failure_unless_its_domain_was_declared():
    def train(x, rate):
        if rate not in (0, 0.1, 0.3, 0.9):
            raise ValueError("tenths only")
        return plain.Core().train(x, rate)

    silent = judge(plain.Core().target(train=train, conventions=ds.Conventions()))
    assert silent["structure.rates"].verdict == "pass"
    assert any("refuses the rate" in text for text in silent.observations)
    declared = judge(
        plain.Core().target(train=train, conventions=ds.Conventions(rate_domain="[0, 1]"))
    )
    assert declared["structure.rates"].verdict == "fail"
    assert "tenths only" in declared["structure.rates"].message


def test_a_gradient_that_is_always_wrong_is_left_to_its_own_checks():
    report = ds.check(UnmaskedGradient().target(), **COARSE)
    assert {result.check for result in report.failures} <= {
        "gradient.same_noise",
        "gradient.dropped_is_zero",
    }


def test_an_evaluation_that_is_always_wrong_is_left_to_its_own_check():
    report = judge(ScaledInBothModes().target())
    assert report.verdict == "pass", str(report)


def watched(**changes):
    """A correct target that notes what it is fed."""
    seen = []
    core = plain.Core()

    def train(x, rate):
        seen.append((x.shape, x.strides, x.flags.writeable, x.copy(), rate))
        return core.train(x, rate)

    return core.target(**{"train": train, **changes}), seen


def test_the_shapes_that_bugs_like_are_among_those_tried():
    target, seen = watched()
    judge(target, checks=["structure.shapes"])
    shapes = {shape for shape, *_ in seen}
    assert {len(shape) for shape in shapes} == {0, 1, 2, 3, 4, 5}
    sizes = {shape[0] for shape in shapes if len(shape) == 1}
    assert len(sizes & set(range(1, 10))) >= 5
    assert any(size % 4 for size in sizes)
    assert any(size > 10_000 for size in sizes)
    assert any(size + 1 in (32, 64, 128, 256, 512, 1024) for size in sizes)
    assert any(0 in shape for shape in shapes)


def test_the_layouts_that_bugs_like_are_among_those_tried():
    target, seen = watched()
    judge(target, checks=["structure.layouts"])
    strides = [strides for shape, strides, *_ in seen if len(shape) == 2]
    assert any(stride < 0 for pair in strides for stride in pair)
    assert any(0 in pair for pair in strides)
    assert any(0 < pair[0] < pair[1] for pair in strides)
    assert not all(writeable for _, _, writeable, *_ in seen)


def test_the_values_that_bugs_like_are_among_those_tried():
    target, seen = watched()
    judge(target, checks=["structure.values"])
    values = np.concatenate([x.reshape(-1) for _, _, _, x, _ in seen])
    tiny, top = np.finfo(np.float32).smallest_normal, np.finfo(np.float32).max
    assert np.isnan(values).any()
    assert {np.inf, -np.inf, top, -top} <= set(values[~np.isnan(values)])
    assert (np.signbit(values) & (values == 0)).any()
    assert ((np.abs(values) < tiny) & (values != 0)).any()


def test_the_ends_of_the_rate_are_among_those_tried():
    target, seen = watched()
    for seed in (1, 2):
        judge(target, checks=["structure.rates"], seed=seed)
    assert {0.0, 1e-6, 1e-3, 0.5, 0.999, 1.0} <= {rate for *_, rate in seen}


@pytest.mark.parametrize(
    ("conventions", "shapes"),
    [(ds.Conventions(max_shapes=3), None), (ds.Conventions(), [(3, 4), (2, 8)])],
)
def test_no_other_shapes_are_tried_where_they_are_limited(conventions, shapes):
    target, seen = watched(conventions=conventions)
    judge(target, shapes=shapes)
    assert len({shape for shape, *_ in seen}) <= 3
    if shapes:
        assert {shape for shape, *_ in seen} == set(shapes)


def test_only_declared_ranks_are_tried():
    for ndims in ((0, 0), (2, 2), (3, 4), (6, 6)):
        target, seen = watched(conventions=ds.Conventions(ndims=ndims))
        report = judge(target)
        assert report.verdict == "pass", str(report)
        assert {len(shape) for shape, *_ in seen} <= set(range(ndims[0], ndims[1] + 1))


def test_the_same_seed_gives_the_same_report_of_a_failure():
    texts = []
    for _ in range(2):
        report = judge(TailIsNotScaled().target())
        texts.append([line for line in report.to_json().splitlines() if "seconds" not in line])
    assert texts[0] == texts[1]


def test_a_target_that_is_wrong_now_and_then_and_cannot_be_seeded_is_no_trouble():
    rng = np.random.default_rng()

    def train(x, rate):
        y = plain.Core().train(x, rate)
        return y * x.dtype.type(1.5) if rng.random() < 0.2 else y

    for _ in range(3):
        report = judge(plain.Core().target(train=train, seed=None))
        assert report["structure.shapes"].verdict == "fail"
        assert "error" not in {result.verdict for result in report.results}


def test_the_noise_of_a_target_on_a_global_generator_goes_on_between_the_calls():
    drawn = []

    def train(x, rate):
        uniforms = np.random.random(x.shape)
        drawn.extend(uniforms.reshape(-1)[:1])
        return plain.Core().apply(x, uniforms >= rate, rate)

    np.random.seed(7)
    judge(plain.Core().target(train=train, seed=None), checks=["structure.shapes"])
    assert len(set(drawn)) == len(drawn) > 100
    np.random.seed(7)
    first = np.random.random()
    assert drawn[0] == first
    assert np.random.random() != np.random.RandomState(0).random_sample()


def test_nothing_is_written_into_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    judge(TailIsNotScaled().target())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("filling", FILLINGS)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 4), (2, 3, 4)])
def test_every_call_can_be_made_in_every_type(layout, filling, shape):
    for dtype in KNOWN:
        call = Call(shape, dtype, 0.3, layout, filling)
        x, memory = make(call, 5)
        assert x.shape == shape
        assert x.dtype.name == dtype
        assert np.may_share_memory(x, memory) or not x.size
        again = make(call, 5).x
        assert x.astype(np.float64).tobytes() == again.astype(np.float64).tobytes()


def training(rate=0.3, dtype="float32", nonfinite="unspecified", law=None):
    return pointwise.training(law or ds.laws.Inverted(), rate, dtype, nonfinite)


@pytest.mark.parametrize(
    ("given", "got", "possible"),
    [
        (1.0, 0.0, True),
        (1.0, -0.0, True),
        (1.0, 1 / 0.7, True),
        (1.0, 1.0, False),
        (1.0, np.nan, False),
        (1.0, np.inf, False),
        (0.0, 0.0, True),
        (0.0, -0.0, True),
        (0.0, 1e-45, False),
        (0.0, np.nan, False),
        (-0.0, 1.0, False),
        (np.nan, np.nan, True),
        (np.nan, 0.0, True),
        (np.nan, 1.0, False),
        (np.inf, np.inf, True),
        (np.inf, -np.inf, False),
        (np.inf, 0.0, True),
        (np.inf, np.nan, True),
        (np.inf, 3e38, False),
        (-np.inf, -np.inf, True),
        (3e38, np.inf, True),
        (3e38, -np.inf, False),
        (1e-40, 0.0, True),
        (1e-40, 1e-40 / 0.7, True),
        (1e-40, 1e-40 * 2, False),
    ],
)
def test_what_may_become_of_one_unit(given, got, possible):
    x, y = np.array([given], np.float32), np.array([got], np.float32)
    assert training().wrong(x, y)[0] != possible


def test_at_rate_zero_nothing_may_be_dropped_and_at_rate_one_nothing_kept():
    x = np.array([1.0, np.nan, np.inf, 1e-40], np.float32)
    assert training(0.0).wrong(x, np.zeros_like(x)).tolist() == [True, True, True, False]
    assert not training(0.0).wrong(x, x).any()
    assert training(1.0).wrong(x, x).tolist() == [True, False, True, True]
    assert not training(1.0).wrong(x, np.zeros_like(x)).any()


def test_half_precision_overflows_lawfully():
    x = np.array([60000.0, 60000.0, 40000.0, 60000.0], np.float16)
    y = np.array([np.inf, 65504.0, np.inf, 60000.0], np.float16)
    assert training(0.3, "float16").wrong(x, y).tolist() == [False, False, True, True]


def test_a_run_inside_a_hypothesis_test_of_the_caller_works():
    from hypothesis import HealthCheck, given, settings
    from hypothesis import strategies as st

    @settings(max_examples=2, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, 5))
    def test(seed):
        report = judge(TailIsNotScaled().target(), seed=seed, checks=["structure.shapes"])
        assert report.verdict == "fail"

    test()


@pytest.mark.parametrize("ndims", [(0, 5), (2, 2), (4, 4)])
@pytest.mark.parametrize(
    "make_spaces",
    [spaces.spaces_of_layouts, spaces.spaces_of_values, spaces.spaces_of_rates],
)
def test_a_search_goes_through_every_call_of_a_small_space(make_spaces, ndims):
    (space,) = make_spaces(ds.Conventions(ndims=ndims, rate_domain="[0, 1]"), "float32", 0.3, None)
    asked = []
    assert smallest(space, lambda call: bool(asked.append(call)), examples=64, seed=5) is None
    assert set(asked) == {space.call(number) for number in range(space.size)}


def test_a_search_goes_through_every_length_of_one_axis():
    rows, others = spaces.spaces_of_shapes(ds.Conventions(), "float32", 0.3, None)
    asked = []
    assert smallest(rows, lambda call: bool(asked.append(call)), examples=80, seed=5) is None
    assert {call.shape for call in asked} == {shape for kind in rows.kinds for shape in kind}
    assert {(8,), (1025,), (20_000,)} <= {call.shape for call in asked}
    assert all(len(shape) != 1 for kind in others.kinds for shape in kind if shape != (0,))


@pytest.mark.parametrize(
    ("busy", "waits", "tried"),
    [(0.001, 0.2, None), (1.0, 1.0, 6), (0.001, 2.0, 8)],
    ids=["a machine that is busy otherwise", "a slow target", "one that waits for long"],
)
def test_a_search_ends_by_its_own_time_and_not_by_that_of_others(monkeypatch, busy, waits, tried):
    rows, _ = spaces.spaces_of_shapes(ds.Conventions(), "float32", 0.3, None)
    asked = []
    monkeypatch.setattr(search.time, "thread_time", lambda: busy * len(asked))
    monkeypatch.setattr(search.time, "monotonic", lambda: waits * len(asked))
    smallest(rows, lambda call: bool(asked.append(call)), examples=80, seed=5)
    assert len(asked) == (tried or rows.size)
