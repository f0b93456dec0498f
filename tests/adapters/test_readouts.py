"""Dropout inside layers of real frameworks: attention weights, and what is between two layers."""

import numpy as np
import pytest

import dropout_stats as ds
from dropout_stats import readouts

QUICK = {"resolution": 2**-7, "seed": 1, "rates": [0.1, 0.7]}


@pytest.mark.framework("torch")
def test_the_attention_of_torch_drops_its_weights():
    import torch

    def attend(query, key, value, rate):
        parts = map(torch.from_numpy, (query, key, value))
        return torch.nn.functional.scaled_dot_product_attention(*parts, dropout_p=rate).numpy()

    def evaluate(query, key, value, rate):
        return attend(query, key, value, 0.0)

    report = ds.check(readouts.attention(attend, evaluate, seed=torch.manual_seed), **QUICK)
    assert report.verdict == "pass", report
    assert report["randomness.seed_repeats"].verdict == "pass"


@pytest.mark.framework("torch")
def test_multi_head_attention_of_torch_drops_its_weights():
    """Projections are unit matrices, except that those of queries and keys are 0."""
    import torch

    built = {}

    def layer(width, rate):
        if (width, rate) not in built:
            attention = torch.nn.MultiheadAttention(width, 1, dropout=rate, batch_first=True)
            with torch.no_grad():
                attention.in_proj_weight.zero_()
                attention.in_proj_weight[2 * width :] = torch.eye(width)
                attention.out_proj.weight.copy_(torch.eye(width))
            built[width, rate] = attention
        return built[width, rate]

    def attend(query, key, value, rate, training=True):
        attention = layer(value.shape[-1], rate).train(training)
        parts = [torch.from_numpy(part[:, 0]) for part in (query, key, value)]
        with torch.no_grad():
            return attention(*parts, need_weights=True)[0].numpy()[:, None]

    def evaluate(query, key, value, rate):
        return attend(query, key, value, rate, training=False)

    target = readouts.attention(attend, evaluate, seed=torch.manual_seed)
    report = ds.check(target, shapes=[(64, 1, 16, 16)], **QUICK)
    assert report.verdict == "pass", report


@pytest.mark.framework("torch")
def test_recurrent_layers_of_torch_drop_between_them():
    """With unit matrices, no memory and a rectifier, layers hand positive inputs on as they are."""
    import torch

    built = {}

    def layers(width, rate):
        if (width, rate) not in built:
            network = torch.nn.RNN(
                width, width, num_layers=2, nonlinearity="relu", dropout=rate, batch_first=True
            )
            with torch.no_grad():
                for name, weights in network.named_parameters():
                    weights.copy_(torch.eye(width)) if name.startswith("weight_ih") else (
                        weights.zero_()
                    )
            built[width, rate] = network
        return built[width, rate]

    def train(x, rate, training=True):
        network = layers(x.shape[-1], rate).train(training)
        with torch.no_grad():
            return network(torch.from_numpy(np.abs(x)))[0].numpy() * np.sign(x)

    def evaluate(x, rate):
        return train(x, rate, training=False)

    target = ds.Target(train=train, evaluate=evaluate, seed=torch.manual_seed)
    report = ds.check(target, shapes=[(16, 16, 16)], skip=["structure.values"], **QUICK)
    assert report.verdict == "pass", report


@pytest.mark.framework("flax")
@pytest.mark.parametrize("shared", [False, True])
def test_the_attention_of_flax_shares_its_mask_only_where_it_is_told_to(shared):
    import jax
    from flax import linen

    def attend(query, keys, value, rate, key):
        parts = (np.swapaxes(part, 1, 2) for part in (query, keys, value))
        out = linen.dot_product_attention(
            *parts,
            dropout_rng=jax.random.PRNGKey(key),
            dropout_rate=rate,
            broadcast_dropout=shared,
        )
        return np.swapaxes(np.asarray(out), 1, 2)

    held = ds.Conventions(randomness="key", ndims=(4, 4), max_shapes=1)
    target = readouts.attention(attend, conventions=held)
    report = ds.check(target, shapes=[(8, 8, 16, 16)], **QUICK)
    assert report.verdict == ("fail" if shared else "pass"), report
    if shared:
        law = ds.laws.Inverted(unit=(0, 1))
        assert ds.check(target, law, shapes=[(8, 8, 16, 16)], **QUICK).verdict == "pass"
