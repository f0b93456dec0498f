"""The map holds for optimisers that others wrote."""

from dataclasses import replace

import pytest

import dropout_stats as ds

pytestmark = pytest.mark.framework("torch")
STEPS = 60
ROOTED = {"lr": 0.02, "eps": 1e-2, "weight_decay": 0.05}
SUMMED = {"lr": 0.05, "weight_decay": 0.05}
CASES = [  # ours, theirs, and its options
    ("sgd", "SGD", SUMMED),
    ("momentum", "SGD", {**SUMMED, "momentum": 0.9, "dampening": 0.1}),
    ("nesterov", "SGD", {**SUMMED, "momentum": 0.9, "nesterov": True}),
    ("adam", "Adam", ROOTED),
    ("adam", "Adam", {**ROOTED, "amsgrad": True}),
    ("adamw", "AdamW", ROOTED),
    ("rmsprop", "RMSprop", ROOTED),
    ("rmsprop", "RMSprop", {**ROOTED, "momentum": 0.5, "centered": True}),
    ("adagrad", "Adagrad", {**ROOTED, "lr_decay": 0.01}),
]


def trained(strategy, rate, theirs, options, by):
    """A network after all steps: W of the layer after the dropout, and all else."""
    import torch

    draws = torch.Generator().manual_seed(3)

    def normal(*shape):
        return torch.randn(*shape, generator=draws, dtype=torch.float64)

    x, y = normal(32, 6), normal(32, 3)
    rest = [normal(10, 6) / 2, normal(10) / 8, normal(3) / 8]
    w = normal(3, 10) / 2
    own = dict(options)
    if strategy == "inverted":
        w = w * by.weights
        own.update({key: options[key] * getattr(by, key) for key in ROOTED if key in options})
    for parameter in (w, *rest):
        parameter.requires_grad_()
    groups = [{"params": [w], **own}, {"params": rest, **options}]
    optimiser = getattr(torch.optim, theirs)(groups, **options)
    linear = torch.nn.functional.linear
    for _ in range(STEPS):
        kept = torch.rand(32, 10, generator=draws, dtype=torch.float64) >= rate
        factor = kept / (1 - rate) if strategy == "inverted" else kept.double()
        hidden = torch.tanh(linear(x, rest[0], rest[1])) * factor.double()
        loss = ((linear(hidden, w, rest[2]) - y) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return w.detach(), [parameter.detach() for parameter in rest]


def difference(rate, theirs, options, by):
    w, rest = trained("test-scaled", rate, theirs, options, by)
    other, others = trained("inverted", rate, theirs, options, by)
    pairs = [(w * (1 - rate), other), *zip(rest, others, strict=True)]
    return max(float((a - b).abs().max() / a.abs().max()) for a, b in pairs)


@pytest.mark.parametrize(("ours", "theirs", "options"), CASES)
def test_the_optimisers_of_torch_give_one_trajectory(ours, theirs, options):
    for rate, most in ((0.5, 0.0), (0.75, 0.0), (0.2, 1e-12)):
        by = ds.gap.equivalent(ours, rate=rate)
        assert difference(rate, theirs, options, by) <= most
        for factor in ("lr", "weight_decay", *(["eps"] if "eps" in options else [])):
            wrong = replace(by, **{factor: 1.0})
            assert difference(rate, theirs, options, wrong) > 1e-5, factor
