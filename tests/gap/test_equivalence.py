"""Real training runs: what the map promises, and what it does not.

The optimisers are written here by hand, from their papers, and are the oracle. Both strategies
train one network on one set of data with one sequence of masks.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

import dropout_stats as ds

STEPS = 60
POWERS_OF_TWO = (0.5, 0.75)  # the rates whose keep_prob is one


@dataclass(frozen=True)
class Recipe:
    """How one parameter is trained."""

    lr: float
    eps: float = 1e-2  # large enough that a wrong one is seen
    weight_decay: float = 0.05
    accumulator: float = 0.01
    max_norm: float = np.inf
    clip: float = np.inf  # of this gradient alone, by its norm
    clip_each: float = np.inf
    decay: str = "coupled"
    root: str = "outside"
    gradient_in_norm: float = 1.0


@dataclass
class Memory:
    """What an optimiser keeps of one parameter."""

    first: np.ndarray
    second: np.ndarray
    step: int = 0


def divided(u, v, how):
    return u / (np.sqrt(v) + how.eps if how.root == "outside" else np.sqrt(v + how.eps))


def sgd(w, g, kept, how):
    return g


def momentum(w, g, kept, how):
    kept.first = 0.9 * kept.first + g
    return kept.first


def nesterov(w, g, kept, how):
    kept.first = 0.9 * kept.first + g
    return g + 0.9 * kept.first


def adagrad(w, g, kept, how):
    kept.second = kept.second + g * g
    return divided(g, kept.second, how)


def rmsprop(w, g, kept, how):
    kept.second = 0.9 * kept.second + 0.1 * g * g
    kept.first = 0.5 * kept.first + divided(g, kept.second, how)  # with momentum
    return kept.first


def adam(w, g, kept, how):
    kept.step += 1
    start = 0 if kept.step == 1 else kept.second  # its mean of squares starts with zeros
    kept.first = 0.9 * kept.first + 0.1 * g
    kept.second = 0.99 * start + 0.01 * g * g
    unbiased = kept.second / (1 - 0.99**kept.step)
    return divided(kept.first / (1 - 0.9**kept.step), unbiased, how)


def signsgd(w, g, kept, how):
    return np.sign(g)


def lion(w, g, kept, how):
    u = np.sign(0.9 * kept.first + 0.1 * g)
    kept.first = 0.99 * kept.first + 0.01 * g
    return u


def lars(w, g, kept, how):
    alone = g - how.weight_decay * w  # `step` has added the decay
    norm = np.linalg.norm
    denominator = norm(alone) + how.weight_decay * norm(w) + how.eps
    kept.first = 0.9 * kept.first + norm(w) / denominator * g
    return kept.first


def lamb(w, g, kept, how):
    u = adam(w, g, kept, how) + how.weight_decay * w
    return np.linalg.norm(w) / np.linalg.norm(u) * u


OPTIMISERS = {
    "sgd": (sgd, 0.3),
    "momentum": (momentum, 0.05),
    "nesterov": (nesterov, 0.05),
    "adagrad": (adagrad, 0.1),
    "rmsprop": (rmsprop, 0.01),
    "adam": (adam, 0.02),
    "adamw": (adam, 0.02),
    "signsgd": (signsgd, 0.01),
    "lion": (lion, 0.01),
    "lars": (lars, 0.05),
    "lamb": (lamb, 0.05),
}
CASES = [
    *((name, "coupled", "") for name in ("sgd", "momentum", "nesterov", "signsgd", "lars")),
    *((name, "decoupled", "") for name in ("sgd", "momentum", "nesterov", "signsgd", "lion")),
    *((name, "independent", "") for name in ("sgd", "nesterov", "signsgd", "lion")),
    *(
        (name, decay, root)
        for name in ("adagrad", "rmsprop", "adam")
        for decay in ("coupled", "decoupled", "independent")
        for root in ("outside", "inside")
    ),
    *(
        ("adamw", decay, root)
        for decay in ("decoupled", "independent")
        for root in ("outside", "inside")
    ),
    *(("lamb", "decoupled", root) for root in ("outside", "inside")),
]


def step(name, w, g, kept, how):
    """One parameter after one step."""
    g = g * min(1, how.clip / np.linalg.norm(g))
    g = np.clip(g, -how.clip_each, how.clip_each)
    if how.decay == "coupled":
        g = g + how.weight_decay * w
    new = w - how.lr * OPTIMISERS[name][0](w, g, kept, how)
    if how.decay == "decoupled" and name != "lamb":
        new = new - how.lr * how.weight_decay * w
    if how.decay == "independent":
        new = new - how.weight_decay * w
    return new * min(1, how.max_norm / np.linalg.norm(new))


RNG = np.random.default_rng(7)
X, Y = RNG.normal(size=(32, 6)), RNG.normal(size=(32, 3))
START = {
    "A": RNG.normal(0, 0.5, (6, 10)),
    "a": RNG.normal(0, 0.1, 10),
    "W": RNG.normal(0, 0.5, (10, 3)),
    "b": RNG.normal(0, 0.1, 3),
}
UNIFORM = RNG.random((STEPS, 32, 10))


def hidden(z, name):
    return np.tanh(z) if name == "tanh" else np.maximum(z, 0)


def slope(z, name):
    return 1 - np.tanh(z) ** 2 if name == "tanh" else (z > 0) * 1.0


def gradients(at, factor, name):
    """Of half the mean square, by hand; `factor` is what dropout multiplies the hidden units by."""
    z = X @ at["A"] + at["a"]
    dropped = hidden(z, name) * factor
    error = (dropped @ at["W"] + at["b"] - Y) / len(X)
    back = (error @ at["W"].T) * factor * slope(z, name)
    return {"A": X.T @ back, "a": back.sum(0), "W": dropped.T @ error, "b": error.sum(0)}


@dataclass
class Net:
    """A network under one strategy, how W is trained, and how all else is."""

    strategy: str
    how: Recipe
    rest: Recipe
    first: float = 1.0  # what the W of the start is multiplied by
    f: str = "tanh"
    norm: float = np.inf  # the threshold of the global norm
    clipped: int = 0
    at: dict = field(default_factory=dict)
    kept: dict = field(default_factory=dict)

    def __post_init__(self):
        self.at = {key: value * (self.first if key == "W" else 1) for key, value in START.items()}
        for key, value in self.at.items():
            accumulator = np.full_like(value, self.recipe(key).accumulator)
            self.kept[key] = Memory(np.zeros_like(value), accumulator)

    def recipe(self, key):
        return self.how if key == "W" else self.rest

    def step(self, name, mask, rate):
        factor = mask / (1 - rate) if self.strategy == "inverted" else mask * 1.0
        found = gradients(self.at, factor, self.f)
        sizes = (self.recipe(key).gradient_in_norm * g for key, g in found.items())
        total = np.sqrt(sum(np.sum(size**2) for size in sizes))
        self.clipped += total > self.norm
        for key, g in found.items():
            clipped = g * min(1, self.norm / total)
            how = self.recipe(key)
            self.at[key] = step(name, self.at[key], clipped, self.kept[key], how)

    def evaluated(self, rate):
        kept = hidden(X @ self.at["A"] + self.at["a"], self.f)
        scale = 1 if self.strategy == "inverted" else 1 - rate
        return kept * scale @ self.at["W"] + self.at["b"]


FACTORS = ("lr", "eps", "weight_decay", "accumulator", "max_norm", "clip")


def mapped(how, by):
    """The recipe of the inverted W."""
    changed = {name: getattr(how, name) * getattr(by, name) for name in FACTORS}
    changed["clip_each"] = how.clip_each * by.clip
    return replace(how, **changed, gradient_in_norm=by.gradient_in_norm)


def trained(name, rate, by, *, f="tanh", norm=np.inf, decay="coupled", root="outside", **changes):
    """Both networks after all steps, by one map; and the largest relative difference on the way.

    W of one is compared with keep_prob times W of the other, all other parameters as they are.
    """
    rest = Recipe(lr=OPTIMISERS[name][1], decay=decay, root=root or "outside")
    how = replace(rest, **changes)
    scaled = Net("test-scaled", how, rest, f=f, norm=norm)
    inverted = Net("inverted", mapped(how, by), rest, first=by.weights, f=f, norm=norm)
    worst = 0.0
    for uniform in UNIFORM:
        scaled.step(name, uniform >= rate, rate)
        inverted.step(name, uniform >= rate, rate)
        worst = max(worst, difference(scaled, inverted, rate))
    return scaled, inverted, worst


def difference(scaled, inverted, rate):
    worst = 0.0
    for key, value in scaled.at.items():
        expected = value * (1 - rate) if key == "W" else value
        off = np.abs(inverted.at[key] - expected).max() / np.abs(expected).max()
        worst = max(worst, off)
    outputs = scaled.evaluated(rate)
    return max(worst, np.abs(inverted.evaluated(rate) - outputs).max() / np.abs(outputs).max())


def map_of(name, rate, decay="coupled", root=""):
    return ds.gap.equivalent(name, rate=rate, decay=decay, eps=root or None)


def equal(by):
    """Equal hyper-parameters, from the equivalent start."""
    names = (*FACTORS, "gradient_in_norm")
    return replace(by, **dict.fromkeys(names, 1.0))


@pytest.mark.parametrize("f", ["tanh", "relu"])
@pytest.mark.parametrize(("name", "decay", "root"), CASES)
def test_the_two_strategies_give_one_trajectory(name, decay, root, f):
    for rate in POWERS_OF_TWO:
        by = map_of(name, rate, decay, root)
        scaled, _, worst = trained(name, rate, by, f=f, decay=decay, root=root)
        assert worst == 0, f"not bit for bit at rate {rate}: {worst}"
        assert np.abs(scaled.at["W"] - START["W"]).max() > 0.05, "it does not learn"
    by = map_of(name, 0.2, decay, root)
    assert trained(name, 0.2, by, f=f, decay=decay, root=root)[2] < 1e-12


@pytest.mark.parametrize(("name", "decay", "root"), CASES)
def test_equal_hyper_parameters_do_not(name, decay, root):
    for rate in (0.2, 0.5):
        by = equal(map_of(name, rate, decay, root))
        assert trained(name, rate, by, decay=decay, root=root)[2] > 1e-2


def matters(name, decay, root, factor):
    """Whether the trajectory has to depend on a factor."""
    # A sign forgets how long its gradient was, unless a decay was added to it.
    by_sign = name in ("signsgd", "lion") and decay != "coupled"
    exceptions = {
        "lr": name not in ("lars", "lamb"),
        "eps": bool(root) or name == "lars",
        "weight_decay": decay != "independent",
        "accumulator": name in ("adagrad", "rmsprop"),
        "clip": not by_sign,
        "gradient_in_norm": not by_sign,
    }
    return exceptions.get(factor, True)


NEEDED = [
    (*case, factor)
    for case in CASES
    for factor in (*FACTORS, "weights", "gradient_in_norm")
    if matters(*case, factor)
]
BINDING = {"max_norm": {"max_norm": 1.0}, "clip": {"clip": 0.05, "clip_each": 0.02}}


@pytest.mark.parametrize(("name", "decay", "root", "factor"), NEEDED)
def test_each_factor_is_needed(name, decay, root, factor):
    by = map_of(name, 0.5, decay, root)
    norm = 0.05 if factor == "gradient_in_norm" else np.inf
    options = {"decay": decay, "root": root, "norm": norm, **BINDING.get(factor, {})}
    assert trained(name, 0.5, by, **options)[2] == 0
    broken = trained(name, 0.5, replace(by, **{factor: 1.0}), **options)[2]
    assert broken > 1e-5, f"a wrong {factor} was not seen"


@pytest.mark.parametrize("name", ["sgd", "momentum", "adam", "adamw", "rmsprop"])
def test_clipping_needs_the_norm_of_what_the_test_scaled_network_has(name):
    decay = "decoupled" if name == "adamw" else "coupled"
    for rate, most in ((0.5, 0.0), (0.2, 1e-12)):
        by = map_of(name, rate, decay)
        scaled, inverted, worst = trained(name, rate, by, norm=0.1, decay=decay)
        assert STEPS / 2 < scaled.clipped == inverted.clipped
        assert worst <= most
        plain = replace(by, gradient_in_norm=1.0)
        assert trained(name, rate, plain, norm=0.1, decay=decay)[2] > 1e-4


def annealed(name, *, rates, by_step, moved):
    """The largest difference at the ends of all steps while the rate changes.

    Where `moved`, the test-scaled W and all that is kept of its gradients follow each change.
    """
    how = Recipe(lr=OPTIMISERS[name][1])
    by = map_of(name, rates[0])
    scaled = Net("test-scaled", how, how)
    inverted = Net("inverted", mapped(how, by), how, first=by.weights)
    worst, before = 0.0, rates[0]
    for uniform, rate in zip(UNIFORM, rates, strict=True):
        if moved:
            ratio = (1 - before) / (1 - rate)
            scaled.at["W"] = scaled.at["W"] * ratio
            scaled.kept["W"].first = scaled.kept["W"].first / ratio
            scaled.kept["W"].second = scaled.kept["W"].second / ratio**2
        if by_step:
            inverted.how = mapped(how, map_of(name, rate))
        scaled.step(name, uniform >= rate, rate)
        inverted.step(name, uniform >= rate, rate)
        before, worst = rate, max(worst, difference(scaled, inverted, rate))
    return worst


@pytest.mark.parametrize("name", ["sgd", "momentum", "nesterov", "adagrad", "adam"])
def test_no_map_holds_while_the_rate_changes(name):
    rates = [0.5 - 0.4 * t / STEPS for t in range(STEPS)]
    assert annealed(name, rates=[0.5] * STEPS, by_step=False, moved=False) == 0
    assert annealed(name, rates=rates, by_step=False, moved=False) > 1e-2
    assert annealed(name, rates=rates, by_step=True, moved=False) > 1e-2
    assert annealed(name, rates=rates, by_step=True, moved=True) < 1e-12


def test_the_factors_of_a_rate():
    by = ds.gap.equivalent("adam", rate=0.5)
    assert by == ds.gap.Equivalence("adam", 0.5, 0.5, 0.5, 2, 4, 4, 0.5, 2, 0.5)
    assert ds.gap.equivalent("sgd", rate=0.75).lr == 1 / 16
    assert ds.gap.equivalent("adam", rate=0.75, eps="inside").eps == 16


@pytest.mark.parametrize("name", OPTIMISERS)
def test_nothing_changes_without_dropout(name):
    by = ds.gap.equivalent(name, rate=0)
    assert by == replace(equal(by), weights=1.0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"optimizer": "adm"}, "optimizer must be one of sgd, .*; got 'adm'. Did you mean 'adam'"),
        ({"optimizer": "Adam"}, "Did you mean 'adam'"),
        ({"optimizer": 3}, "optimizer must be a string"),
        ({"rate": 1}, r"rate must be in \[0, 1\), got 1"),
        ({"rate": -0.1}, r"rate must be in \[0, 1\)"),
        ({"rate": float("nan")}, r"rate must be in \[0, 1\)"),
        ({"rate": "0.5"}, "rate must be a number"),
        ({"rate": True}, "rate must be a number"),
        ({"decay": "l2"}, "decay of adam must be 'coupled' or 'decoupled' or 'independent'"),
        ({"optimizer": "adamw", "decay": "coupled"}, "decay of adamw must be 'decoupled' or"),
        ({"optimizer": "sgd", "eps": "inside"}, "eps of sgd must be left out, got 'inside'"),
        ({"eps": "in"}, "eps of adam must be 'outside' or 'inside'"),
        ({"eps": []}, "eps of adam must be"),
    ],
)
def test_what_makes_no_sense_is_refused(changes, words):
    options = {"optimizer": "adam", "rate": 0.5, **changes}
    with pytest.raises(ds.UsageError, match=words):
        ds.gap.equivalent(options.pop("optimizer"), **options)
