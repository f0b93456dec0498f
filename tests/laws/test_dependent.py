"""Fixed counts and blocks: closed forms, and masks turned into independent bits, exactly."""

import itertools
import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

import dropout_stats as ds
from dropout_stats.errors import UsageError
from dropout_stats.laws import DropBlock, ExactCount, by_name, is_dependent, spelled
from dropout_stats.laws.dependent import agreement, keep_range

QUICK = {"resolution": 2**-5, "rates": [0.1, 0.5], "dtypes": ["float32"]}
LAWS = [
    ExactCount(),
    ExactCount(normalised=True),
    ExactCount(within="sample"),
    ExactCount(unit="channel"),
    DropBlock(block_size=3),
    DropBlock(block_size=2, seeds="anywhere", density="plain", normalised=False),
    DropBlock(block_size=3, unit=(1,), seeds="anywhere"),
    DropBlock(block_size=2, unit=(0, 1)),
]


class EveryOutcome:
    """A generator all of whose outcomes are gone through, each with its probability."""

    def __init__(self):
        self.path, self.sizes = [], []

    def runs(self, ask):
        """(What `ask` returns, its probability) for each sequence of outcomes."""
        while True:
            self.place, self.chance = 0, 1.0
            yield ask(self), self.chance
            while self.path and self.path[-1] == self.sizes[-1] - 1:
                self.path.pop(), self.sizes.pop()
            if not self.path:
                return
            self.path[-1] += 1

    def one_of(self, outcomes):
        """The next outcome of [(value, probability), ...]."""
        if self.place == len(self.path):
            self.path.append(0), self.sizes.append(len(outcomes))
        value, chance = outcomes[self.path[self.place]]
        self.place, self.chance = self.place + 1, self.chance * chance
        return value

    def binomial(self, n, chances):
        each = [
            self.one_of([(k, math.comb(n, k) * q**k * (1 - q) ** (n - k)) for k in range(n + 1)])
            for q in chances
        ]
        return np.array(each)

    def choice(self, places, size, *, replace, shuffle):
        assert not replace
        sets = list(itertools.combinations(places, size))
        return np.array(self.one_of([(np.array(s, int), 1 / len(sets)) for s in sets]), int)

    def integers(self, high):
        return self.one_of([(n, 1 / high) for n in range(high)])


def masks_of(units):
    return [np.array(bits) for bits in itertools.product((False, True), repeat=units)]


@pytest.mark.parametrize(
    ("shape", "rate", "within"),
    [
        ((4,), 0.25, "call"),
        ((5,), 0.3, "call"),  # no whole number: 3 or 4 are kept
        ((2, 3), 0.4, "sample"),
        ((2, 2), 0.5, "sample"),
    ],
)
@pytest.mark.parametrize("lawful", [0, -1])
def test_a_fixed_count_becomes_independent_draws_exactly(shape, rate, within, lawful):
    """Over every choice of the target, and every random number of ours."""
    law = ExactCount(within=within)
    groups = shape[0] if within == "sample" else 1
    units = math.prod(shape) // groups
    count = law.counts(units, rate)[lawful]
    choices = [mask for mask in masks_of(units) if mask.sum() == count]
    found = dict.fromkeys(itertools.product((False, True), repeat=groups * units), 0.0)
    for rows in itertools.product(choices, repeat=groups):
        mask, rng = np.concatenate(rows).reshape(shape), EveryOutcome()
        for shown, chance in rng.runs(lambda rng, mask=mask: law.independent(mask, rate, rng)):
            assert shown.miscount is None
            found[tuple(shown.bits.ravel())] += chance / len(choices) ** groups
    for bits, chance in found.items():
        kept = sum(bits)
        assert chance == pytest.approx((1 - rate) ** kept * rate ** (len(bits) - kept), abs=1e-14)


def test_a_wrong_count_shows_as_the_rate_that_it_is():
    law, rng = ExactCount(), np.random.default_rng(0)
    mask = np.arange(1000) < 100
    shown = [law.independent(rng.permutation(mask), 0.1, rng) for _ in range(200)]
    kept = [int(one.bits.sum()) for one in shown]
    assert np.mean(kept) == pytest.approx(100, abs=5)
    assert np.var(kept) == pytest.approx(90, rel=0.4)
    assert shown[0].miscount == "100 of 1000 units were kept; expected 900"


def starts_of(law, lengths):
    places = law._starts(lengths)
    return [bits.reshape(places) for bits in masks_of(math.prod(places))]


def masks_and_chances(law, lengths, rate):
    """Each mask of one channel, and its probability."""
    gamma, side = law.gamma(lengths, rate), law.sharing.side(lengths)
    for starts in starts_of(law, lengths):
        chance = gamma ** starts.sum() * (1 - gamma) ** (~starts).sum()
        yield ~law._covered(starts, lengths, side), float(chance)


BLOCKS = [
    (DropBlock(block_size=2, seeds=seeds), lengths)
    for seeds in ("inside", "anywhere")
    for lengths in [(5,), (6,), (3, 4)]
] + [(DropBlock(block_size=3, seeds=seeds), (7,)) for seeds in ("inside", "anywhere")]


@pytest.mark.parametrize(("law", "lengths"), BLOCKS)
def test_places_one_block_apart_are_kept_independently_with_the_closed_form(law, lengths):
    rate = 0.3
    every = list(masks_and_chances(law, lengths, rate))
    chances = law.keep_by_place(lengths, rate)
    assert sum(chance for _, chance in every) == pytest.approx(1)
    assert sum(chance * mask for mask, chance in every) == pytest.approx(chances, abs=1e-12)
    sharing = law.sharing
    for starts in itertools.product(*map(range, sharing.room(lengths))):
        grid = sharing.grid(lengths, starts)
        assert chances[grid].shape == sharing.draws((1, 1, *lengths))[2:]
        for bits in masks_of(chances[grid].size):
            exactly = sum(c for mask, c in every if (mask[grid].ravel() == bits).all())
            each = np.where(bits, chances[grid].ravel(), 1 - chances[grid].ravel())
            assert exactly == pytest.approx(math.prod(each), abs=1e-12)


@pytest.mark.parametrize(("law", "lengths"), BLOCKS)
def test_a_mask_is_torn_exactly_where_no_choice_of_blocks_makes_it(law, lengths):
    side = law.sharing.side(lengths)
    possible = {(~law._covered(s, lengths, side)).tobytes() for s in starts_of(law, lengths)}
    for bits in masks_of(math.prod(lengths)):
        mask = bits.reshape(lengths)
        assert law._torn(mask, lengths).any() == (mask.tobytes() not in possible)


@pytest.mark.parametrize(("law", "lengths"), BLOCKS)
def test_chances_of_masks_are_no_larger_than_what_is_said_of_them(law, lengths):
    rate, rng = 0.3, np.random.default_rng(0)
    together = {}
    for mask, chance in masks_and_chances(law, lengths, rate):
        together[mask.tobytes()] = together.get(mask.tobytes(), 0.0) + chance
        together[mask.tobytes(), "mask"] = mask
    masks = [key for key in together if isinstance(key, bytes)]
    for key in masks:
        mask = together[key, "mask"]
        shown = law.independent(mask.reshape(1, 1, *lengths), rate, rng)
        assert shown.log_chance >= math.log(together[key]) - 1e-12
    agree = sum(together[key] ** 2 for key in masks)
    assert agreement(law, (1, 1, *lengths), rate) >= math.log(agree) - 1e-12


@pytest.mark.parametrize(("shape", "within"), [((6,), "call"), ((2, 4), "sample")])
def test_chances_of_choices_are_no_larger_than_what_is_said_of_them(shape, within):
    law, rate, rng = ExactCount(within=within), 0.3, np.random.default_rng(0)
    groups = shape[0] if within == "sample" else 1
    units = math.prod(shape) // groups
    for count in law.counts(units, rate):
        choices = math.comb(units, count) ** groups
        mask = np.tile(np.arange(units) < count, groups).reshape(shape)
        shown = law.independent(mask, rate, rng)
        assert shown.log_chance == pytest.approx(-math.log(choices), rel=1e-12)
        assert agreement(law, shape, rate) >= -math.log(choices) - 1e-12


def test_reading_thins_by_as_much_as_the_place_needs():
    """A kept place stays kept with probability min(1, q / c); a dropped one becomes kept else."""
    law, rate, calls = DropBlock(block_size=3), 0.3, 5_000
    rng = np.random.default_rng(1)
    shape = (1, 1, 9)
    total = np.zeros(3)
    for _ in range(calls):
        total += law.independent(law.sample(rng, shape, rate), rate, rng).bits.ravel()
    assert total / calls == pytest.approx(1 - rate, abs=5 * math.sqrt(rate * (1 - rate) / calls))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("special", [(), (0.0, -0.0), (np.nan, np.inf, 0.0)])
def test_the_scale_of_a_call_is_read_as_that_of_the_rate(dtype, special):
    law, rate, rng = ExactCount(normalised=True), 0.3, np.random.default_rng(3)
    x = rng.uniform(1, 2, 41).astype(dtype)
    x[: len(special)] = special
    mask = law.sample(rng, x.shape, rate)
    with np.errstate(invalid="ignore"):
        y = law.perform(x, mask, rate)
        judged = law.judge(x, y, rate)
        exact = np.where(mask, x.astype(float) * (1 / (1 - rate)), 0).astype(dtype)
    seen = np.isfinite(x) & (x != 0)
    assert (judged[seen] == exact[seen]).all()
    assert (judged[~seen] == exact[~seen]).all() or np.isnan(judged[~seen]).any()
    dx = law.judge_gradient(x, y, law.pull(x, mask, rate), rate)
    tolerance = 4 * float(np.finfo(dtype).eps)
    assert dx[seen] == pytest.approx(exact[seen].astype(float), rel=tolerance)


def test_a_scale_that_is_not_that_of_the_call_stays_wrong():
    law, rate = ExactCount(normalised=True), 0.5
    x, mask = np.arange(1.0, 11), np.arange(10) < 4
    for factor in (2.0, 10 / 4 * 1.001, -10 / 4):
        judged = law.judge(x, np.where(mask, x * factor, 0), rate)
        assert not np.isclose(judged[mask], 2 * x[mask], rtol=1e-5).any()
    assert law.judge(x, np.where(mask, x * 10 / 4, 0), rate)[mask] == pytest.approx(2 * x[mask])
    huge = np.where(mask, 1e308, 1.0)
    overflown = law.judge(huge, np.where(mask, np.inf, 0), rate)
    assert (overflown[mask] == np.inf).all()  # 2e308 is one, too
    assert np.isinf(law.judge(x, np.where(mask, np.inf, 0), rate)[mask]).all()
    assert law.judge(x, np.where(mask, x * 10 / (4 + 1e-6), 0), rate)[mask] == pytest.approx(
        2 * x[mask], rel=1e-12
    )


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_references_pass(law):
    report = ds.check(ds.reference(law), **QUICK, seed=7)
    assert report.verdict == "pass", str(report)
    passed = {r.check for r in report.results if r.verdict == "pass"}
    assert passed >= {"rate.marginal", "dependence.lag", "calls.previous", "gradient.same_noise"}
    assert ("support.count" in passed) == isinstance(law, ExactCount)


def test_given_shapes_and_half_precision_are_judged():
    target = ds.reference(DropBlock(block_size=5))
    options = {"shapes": [(4, 8, 17, 11)], "rates": [0.3], "resolution": 2**-4}
    report = ds.check(target, **options, dtypes=["float16", "float32"], seed=3)
    assert report.verdict == "pass", str(report)


@pytest.mark.parametrize(
    ("declared", "failing"),
    [
        (ds.laws.Inverted(), {"dependence.lag"}),
        (DropBlock(block_size=3, seeds="anywhere"), {"rate.marginal"}),
        (DropBlock(block_size=5), {"support.shared_draw"}),
        (DropBlock(block_size=3, unit=(1,)), {"support.shared_draw"}),
    ],
)
def test_blocks_of_another_law_fail(declared, failing):
    target = ds.reference(DropBlock(block_size=3, normalised=False))
    conventions = ds.Conventions(ndims=(3, 4), randomness="owned")
    report = ds.check(
        ds.Target(train=target.train, seed=target.seed, conventions=conventions),
        law=replace(declared, normalised=False) if is_dependent(declared) else declared,
        **QUICK,
        seed=5,
    )
    assert {result.check for result in report.failures} >= failing, str(report)


def test_a_fixed_count_is_told_from_independent_draws_in_either_direction():
    fixed, free = (ds.reference(law) for law in (ExactCount(), ds.laws.Inverted()))
    one = ds.check(ds.Target(train=fixed.train), law=ds.laws.Inverted(), **QUICK, seed=1)
    other = ds.check(ds.Target(train=free.train), law=ExactCount(), **QUICK, seed=1)
    assert "calls.count_dispersion" in {result.check for result in one.failures}
    assert other["support.count"].verdict == "fail"
    assert other.diagnoses[0].name == "another number of units is kept than declared"


def test_a_returned_mask_is_held_to_the_elements():
    law, rng = DropBlock(block_size=3), np.random.default_rng()

    def train(x, rate, shows):
        mask = law.sample(rng, x.shape, rate)
        return ds.Output(law.perform(x, mask, rate), mask=shows(mask))

    for shows, verdict in ((np.array, "pass"), (np.zeros_like, "fail")):
        target = ds.Target(
            train=partial(train, shows=shows), law=law, conventions=ds.Conventions(ndims=(3, 4))
        )
        report = ds.check(target, checks=["support.returned_mask"], **QUICK, seed=1)
        assert report["support.returned_mask"].verdict == verdict


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_names_lead_back(law):
    assert by_name(spelled(law)) == law


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: ExactCount(within="row"), "within must be"),
        (lambda: ExactCount(unit="sample", within="sample"), "nothing to choose"),
        (lambda: ExactCount(rate_bits=8), "rate_bits is for units that draw independently"),
        (lambda: DropBlock(block_size=0), "block_size must be"),
        (lambda: DropBlock(block_size=2.5), "block_size must be"),
        (lambda: DropBlock(seeds="outside"), "seeds must be"),
        (lambda: DropBlock(density="paper"), "density must be"),
        (lambda: DropBlock(unit="channel"), "unit must be"),
        (lambda: DropBlock(unit=(2,)), "unit must be"),
        (lambda: DropBlock(rate_bits=8), "rate_bits is for units that draw independently"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(make, said):
    with pytest.raises(UsageError, match=said):
        make()


def test_blocks_need_three_dimensions():
    with pytest.raises(UsageError, match="need calls of 3 dimensions"):
        ds.check(lambda x, rate: x, law=DropBlock(), shapes=[(4, 8)])


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_keep_ranges_hold_the_probability_of_each_unit(law):
    shape, rate = (3, 2, 7), 0.3
    low, high = keep_range(law, shape, rate)
    rng, calls = np.random.default_rng(0), 4000
    total = sum(law.sample(rng, shape, rate).astype(int) for _ in range(calls)) / calls
    slack = 5 * math.sqrt(0.25 / calls)
    assert low - slack <= total.min()
    assert total.max() <= high + slack


MOMENTS = ("moments.mean", "moments.noise_mean", "moments.variance")


def test_places_of_blocks_have_no_one_mean_and_no_one_variance():
    """Their bits are thinned to 1 - rate: what these would give is not a mean of the target."""
    law = DropBlock(block_size=7, normalised=False)
    options = {"shapes": [(2, 2, 21, 21)], "rates": [0.5], "resolution": 2**-5, "seed": 1}
    report = ds.check(ds.reference(law), dtypes=["float32"], **options)
    chances = law.keep_by_place((21, 21), 0.5)
    assert chances[10, 10] / 0.5 == pytest.approx(0.743, abs=1e-3)
    assert chances[0, 0] / 0.5 == pytest.approx(1.960, abs=1e-3)
    for check in MOMENTS:
        assert report[check].verdict == "not-applicable"
        assert "kept with probability 0.3716 to 0.98" in report[check].message
    assert report["rate.marginal"].verdict == "pass"
    assert "independent bits, made of the masks" in report["rate.marginal"].message


@pytest.mark.parametrize(
    ("law", "verdict"),
    [
        (DropBlock(block_size=1, normalised=False), "pass"),
        (DropBlock(block_size=1), "not-applicable"),
        (ExactCount(), "pass"),
        (ExactCount(normalised=True), "pass"),
    ],
    ids=str,
)
def test_units_that_are_as_likely_kept_have_their_moments(law, verdict):
    report = ds.check(ds.reference(law), **QUICK, seed=1, checks=["moments.*"])
    assert {report[check].verdict for check in MOMENTS} == {verdict}


def test_the_sum_over_a_call_of_blocks_has_another_mean_too():
    """docs/explanation/dependent-units.md: each mask of six places, and its probability."""
    law, rate = DropBlock(block_size=2), 0.4
    assert law.gamma((6,), rate) == pytest.approx(0.24)
    for given, ratio in (([10, 1, 1, 1, 1, 1], 1.157), ([1] * 6, 0.984)):
        x, mean = np.array(given, float), 0.0
        for mask, chance in masks_and_chances(law, (6,), rate):
            mean += chance * law.perform(x.reshape(1, 1, 6), mask.reshape(1, 1, 6), rate).sum()
        assert mean / x.sum() == pytest.approx(ratio, abs=5e-4)
