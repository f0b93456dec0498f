"""Whether dropout leaves anything in the traced evaluation pass."""

import re

import numpy as np
import pytest

import dropout_stats as ds

COARSE = {"resolution": 0.1, "rates": [0.3], "seed": 4}
DECLARED = ds.Conventions(evaluation_graph="empty")


def graph(target, law=None, **options):
    report = ds.check(target, law, checks=["inference.graph"], **COARSE, **options)
    (result,) = report.results
    return result, report.observations


def with_operations(names, **changes):
    reference = ds.reference(ds.laws.Inverted())
    given = {"train": reference.train, "evaluate": reference.evaluate}
    return ds.Target(**given, operations=names, **changes)


def refuses(x, rate):
    raise RuntimeError("control flow")


def test_no_operation_is_a_pass_and_one_is_a_failure_where_that_is_declared():
    assert graph(with_operations(lambda x, rate: ()))[0].verdict == "pass"
    found, _ = graph(with_operations(lambda x, rate: ["mul"], conventions=DECLARED))
    assert found.verdict == "fail"
    assert "mul; expected none" in found.message


def test_where_nothing_is_declared_operations_are_observed():
    found, observed = graph(with_operations(lambda x, rate: ["mul"]))
    assert found.verdict == "not-applicable"
    assert "traced, the evaluation pass is made of mul" in observed


def test_what_cannot_be_traced_is_not_accused():
    found, _ = graph(with_operations(refuses, conventions=DECLARED))
    assert found.verdict == "not-applicable"
    assert "raised RuntimeError: control flow" in found.message


def test_operations_must_be_callable():
    with pytest.raises(ds.UsageError, match="operations"):
        with_operations(("mul",))


@pytest.mark.framework("torch")
def test_a_product_with_one_is_seen_in_a_layer_of_torch():
    import torch

    class Kept(torch.nn.Module):
        def __init__(self, p=0.5):
            super().__init__()
            self.p = p

        def forward(self, x):
            return torch.nn.functional.dropout(x, self.p) if self.training else x * 1.0

    found, _ = graph(Kept, conventions=DECLARED)
    assert found.verdict == "fail"
    assert "aten.mul.Tensor" in found.message
    assert graph("torch.nn:Dropout", dtypes=["float32"])[0].verdict == "pass"


@pytest.mark.framework("jax")
@pytest.mark.framework("equinox")
@pytest.mark.framework("flax")
@pytest.mark.parametrize("name", ["equinox.nn:Dropout", "flax.nnx:Dropout"])
def test_the_test_network_is_the_same_with_and_without_dropout(name):
    """Also where a key is made that the evaluation pass does not read."""
    assert graph(name, dtypes=["float32"])[0].verdict == "pass"


@pytest.mark.framework("jax")
def test_a_test_scaled_network_shows_its_multiplication():
    import jax

    @jax.jit
    def multiplied(x, rate):
        return x * (1 - rate)

    def dropout(x: jax.Array, rate, key, training=True):
        if training:
            return jax.numpy.where(jax.random.bernoulli(key, 1 - rate, x.shape), x, 0)
        return multiplied(x, rate)

    found, observed = graph(dropout, ds.laws.TestScaled())
    assert found.verdict == "not-applicable"
    assert any(re.search("made of sub, .*mul$", said) for said in observed)


def test_a_pass_that_only_looks_like_the_identity_is_found_in_numpy():
    from dropout_stats.zoo.recorder import operations

    x = np.ones(3, np.float32)
    assert operations(lambda x, rate: x, x, 0.5) == ()
    assert operations(lambda x, rate: np.where(x > 0, x * 1, x), x, 0.5) == (
        "greater",
        "multiply",
        "where",
    )
