"""Dropout inside PyTorch's attention and recurrent layers is read out, forwards and backwards."""

from functools import partial

import numpy as np
import pytest

import dropout_stats as ds

pytestmark = pytest.mark.framework("torch")
QUICK = {"rates": [0.001, 0.3, 0.999], "resolution": 2**-5, "seed": 4}
LAYERS = [
    "torch.nn.functional:scaled_dot_product_attention",
    "torch.nn:MultiheadAttention",
    "torch.nn:RNN",
    "torch.nn:GRU",
    "torch.nn:LSTM",
]


def failed(report):
    return {result.check for result in report.failures}


@pytest.mark.parametrize("spec", LAYERS)
def test_the_noise_inside_a_layer_conforms(spec):
    report = ds.check(spec, **QUICK)
    assert (report.law, report.law_source) == ("inverted", "target")
    assert report.verdict == "pass", str(report)
    for check in ("gradient.same_noise", "inference.law", "randomness.seed_repeats"):
        assert report[check].verdict == "pass"


@pytest.fixture
def rounded_products():
    import torch

    held = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    yield
    torch.set_float32_matmul_precision(held)


@pytest.mark.usefixtures("rounded_products")
def test_a_layer_is_read_in_full_precision_whatever_is_set(monkeypatch):
    import torch

    attend, seen = torch.nn.functional.scaled_dot_product_attention, []

    def looking(*args, **kwargs):
        libraries = torch.backends.cuda, torch.backends.mkldnn
        seen.extend(library.matmul.fp32_precision for library in libraries)
        seen.append(torch.backends.cudnn.rnn.fp32_precision)
        return attend(*args, **kwargs)

    target = ds.adapt("torch.nn.functional:scaled_dot_product_attention")
    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", looking)
    target.train(np.ones((2, 2, 4, 4), np.float32), 0.5)
    assert set(seen) == {"ieee"}
    assert torch.get_float32_matmul_precision() == "medium"
    assert torch.backends.cudnn.allow_tf32


def test_native_dropout_conforms():
    report = ds.check("torch:native_dropout", **QUICK)
    assert report.verdict == "pass", str(report)


def test_dropout_under_autocast_conforms():
    report = ds.check(ds.adapt("torch.nn:Dropout", wrap="autocast"), dtypes=["float32"], **QUICK)
    assert report.verdict == "pass", str(report)


@pytest.mark.parametrize("options", [{"compile": True}, {"wrap": "checkpoint"}])
def test_what_is_read_out_is_entered_through_nothing(options):
    with pytest.raises(ds.UsageError, match="is read out as it is"):
        ds.adapt("torch.nn:LSTM", **options)


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        ("keeps as many as it should drop", "rate.marginal"),
        ("one mask for all heads", "dependence.axes"),
        ("not scaled", "support.kept_value"),
        ("drops in evaluation", "inference.deterministic"),
        ("another mask in the backward pass", "gradient.same_noise"),
    ],
)
def test_attention_that_is_wrong_is_accused(monkeypatch, fault, check):
    import torch

    class OtherMask(torch.autograd.Function):
        @staticmethod
        def forward(context, weights, value, rate):
            context.rate = rate
            context.save_for_backward(weights)
            return torch.nn.functional.dropout(weights, rate) @ value

        @staticmethod
        def backward(context, dy):
            (weights,) = context.saved_tensors
            dropped = torch.nn.functional.dropout(weights, context.rate)
            return None, dropped.transpose(-1, -2) @ dy, None

    def attend(query, key, value, dropout_p):
        weights = torch.softmax(query @ key.transpose(-1, -2), -1)
        rate = dropout_p
        if fault == "drops in evaluation":
            rate = rate or 0.5
        elif fault == "keeps as many as it should drop":
            rate = 1 - rate if rate else 0.0
        if fault == "another mask in the backward pass" and rate:
            return OtherMask.apply(weights, value, rate)
        shape = weights.shape[2:] if fault == "one mask for all heads" else weights.shape
        mask = torch.rand(shape) >= rate
        return (weights * mask / (1 if fault == "not scaled" else 1 - dropout_p)) @ value

    target = ds.adapt("torch.nn.functional:scaled_dot_product_attention")
    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", attend)
    quick = {**QUICK, "dtypes": ["float32"], "rates": [0.3], "shapes": [(8, 4, 16, 16)]}
    assert check in failed(ds.check(target, **quick))


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("place", ["input", "output", "output too"])
def test_a_recurrent_layer_that_drops_elsewhere_is_accused(monkeypatch, kind, place):
    import torch

    from dropout_stats.adapters import torch_layers

    base = getattr(torch.nn, kind)

    class Elsewhere(base):
        def __init__(self, *args, dropout, **named):
            super().__init__(*args, dropout=dropout if place == "output too" else 0.0, **named)
            self.rate = dropout

        def forward(self, x):
            if place == "input":
                return super().forward(torch.nn.functional.dropout(x, self.rate, self.training))
            output, state = super().forward(x)
            return torch.nn.functional.dropout(output, self.rate, self.training), state

    monkeypatch.setitem(torch_layers._GATES, Elsewhere, torch_layers._GATES[base])
    read = torch_layers.ReadOut(partial(torch_layers._recurrent, Elsewhere), 3)
    passes = read.passes("cpu")
    target = ds.Target(
        train=passes["train"], vjp=passes["vjp"], conventions=ds.Conventions(ndims=(3, 3))
    )
    report = ds.check(target, rates=[0.3], resolution=2**-5, seed=4)
    assert "support.kept_value" in failed(report)


def test_what_cannot_be_read_out_is_said():
    passes = ds.adapt("torch.nn:LSTM")
    with pytest.raises(ds.HarnessError, match="float32 or float64, of 3 dimensions"):
        passes.train(np.ones((2, 3, 4), np.float16), 0.3)
