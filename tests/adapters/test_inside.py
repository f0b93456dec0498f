"""Dropouts inside models, judged with the mode and the rate that they have there."""

import numpy as np
import pytest

import dropout_stats as ds

QUICK = {"resolution": 2**-5, "seed": 4}


def test_what_is_no_model_is_said_to_be_none():
    with pytest.raises(ds.HarnessError, match="hand over a torch"):
        ds.inside(np.ones(3), np.ones(3))


@pytest.fixture
def model():
    import torch

    class Block(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = torch.nn.Linear(32, 64), torch.nn.Linear(64, 32)
            self.drop, self.late = torch.nn.Dropout(0.2), torch.nn.Dropout(0.4)
            self.none, self.forgotten = torch.nn.Dropout(0.0), torch.nn.Dropout(0.5)

        def forward(self, x):
            hidden = torch.relu(self.first(self.none(x)))
            return self.late(self.second(self.drop(hidden)))

    return Block()


@pytest.fixture
def batch():
    import torch

    return torch.randn(128, 32)


@pytest.mark.framework("torch")
def test_each_dropout_of_a_model_is_found_with_its_rate_and_shape(model, batch):
    found = ds.inside(model, batch)
    assert list(found.targets) == ["drop", "late"]
    assert found.idle == ("none",)
    assert found.unused == ("forgotten",)
    held = found.targets["drop"].conventions
    assert (held.rates, held.shapes, held.dtypes) == ((0.2,), ((128, 64),), ("float32",))
    assert found.targets["late"].conventions.rates == (0.4,)
    assert model.training
    assert not model.drop._forward_hooks
    assert not model.drop._forward_pre_hooks


@pytest.mark.framework("torch")
def test_dropouts_of_a_model_conform(model, batch):
    for target in ds.inside(model.eval(), batch).targets.values():
        report = ds.check(target, **QUICK)
        assert report.verdict == "pass", report
        assert report["gradient.same_noise"].verdict == "pass"
        assert report["inference.law"].verdict == "pass"
    assert not model.training


@pytest.mark.framework("torch")
def test_a_part_that_does_not_follow_into_evaluation_is_accused(model, batch):
    model.drop.train = lambda mode=True: model.drop  # stays in training
    report = ds.check(ds.inside(model, batch).targets["drop"], **QUICK)
    assert report["inference.deterministic"].verdict == "fail"
    assert report.diagnoses[0].name in ("evaluation draws noise", "dropping in evaluation")


@pytest.mark.framework("torch")
def test_the_evaluation_graph_holds_nothing_of_a_dropout(model, batch):
    """One test network serves whatever the rate was; also where it is not traceable as a whole."""
    import torch

    class Depends(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.block, self.norm = model, torch.nn.BatchNorm1d(32)

        def forward(self, x):
            x = self.norm(x)
            return self.block(x if x.sum() > 0 else -x)

    for target in ds.inside(Depends(), batch).targets.values():
        report = ds.check(target, checks=["inference.graph"], **QUICK)
        assert report["inference.graph"].verdict == "pass", report


@pytest.mark.framework("torch")
def test_a_dropout_that_leaves_a_product_in_the_evaluation_graph_is_seen(model, batch):
    import torch

    class Product(torch.nn.Dropout):
        def forward(self, x):
            return super().forward(x) if self.training else x * 1.0

    model.late = Product(0.4)
    targets = ds.inside(model, batch).targets
    report = ds.check(targets["late"], checks=["inference.graph"], **QUICK)
    assert report["inference.graph"].verdict == "not-applicable"
    assert any("made of aten.mul.Tensor" in said for said in report.observations)
    declared = ds.Conventions(evaluation_graph="empty")
    report = ds.check(targets["late"], checks=["inference.graph"], conventions=declared, **QUICK)
    assert report["inference.graph"].verdict == "fail"


@pytest.mark.framework("torch")
def test_a_rate_that_is_changed_on_the_way_is_seen(model, batch):
    import torch

    class Hasty(torch.nn.Module):
        def __init__(self, block):
            super().__init__()
            self.block = block

        def forward(self, x):
            self.block.drop.p = 0.25 if self.training else 0.0
            return self.block(x)

    report = ds.check(
        ds.inside(Hasty(model), batch).targets["block.drop"],
        conventions=ds.Conventions(rates=(0.2,)),
        **QUICK,
    )
    assert report["support.kept_value"].verdict == "fail"


@pytest.mark.framework("torch")
def test_a_model_without_dropout_has_nothing_to_judge(batch):
    import torch

    with pytest.raises(ds.HarnessError, match="holds no dropout layer"):
        ds.inside(torch.nn.Linear(32, 2), batch)


@pytest.mark.framework("torch")
def test_a_transformer_layer_is_looked_into():
    import torch

    layer = torch.nn.TransformerEncoderLayer(32, 2, 64, dropout=0.1, batch_first=True)
    found = ds.inside(layer, torch.randn(8, 16, 32))
    assert list(found.targets) == ["dropout", "dropout1", "dropout2"]
    report = ds.check(found.targets["dropout"], **QUICK)
    assert report.verdict == "pass", report


@pytest.mark.framework("torch")
def test_batch_normalisations_after_a_dropout_are_named():
    import torch

    parts = [torch.nn.BatchNorm1d(32), torch.nn.Dropout(0.1), torch.nn.Linear(32, 8)]
    model = torch.nn.Sequential(*parts, torch.nn.BatchNorm1d(8))
    batch = torch.randn(16, 32)
    mean = model[0].running_mean.clone()
    assert ds.inside(model, batch).shifted == ("3",)
    assert ds.inside(model[:2], batch).shifted == ()
    assert torch.equal(model[0].running_mean, mean), "looking into a model must not train it"


def stacks():
    """Models that end in a batch normalisation behind a dropout."""
    from torch import nn

    image = nn.Unflatten(1, (2, 4, 4))
    convolution = nn.Conv2d(2, 3, 3, padding=1, stride=2)
    in_place = nn.Dropout(0.3, inplace=True)
    parts = {
        "Linear": (nn.Dropout(0.3), nn.Linear(32, 8), nn.BatchNorm1d(8)),
        "Nothing": (nn.Dropout(0.3), nn.BatchNorm1d(32)),
        "Rectified": (nn.ReLU(), in_place, nn.Linear(32, 8, bias=False), nn.BatchNorm1d(8)),
        "Convolved": (image, nn.Dropout(0.3), convolution, nn.BatchNorm2d(3)),
        "OfChannels": (image, nn.Dropout2d(0.3), nn.BatchNorm2d(2)),
    }
    return {name: nn.Sequential(*several) for name, several in parts.items()}


@pytest.mark.framework("torch")
@pytest.mark.parametrize("name", ["Linear", "Nothing", "Rectified", "Convolved", "OfChannels"])
def test_the_variance_shift_of_a_normalisation_is_that_which_training_shows(name):
    """Against the variance over many passes of the model, which share nothing with the formula."""
    import torch

    torch.manual_seed(3)
    model, x = stacks()[name], 1 + torch.randn(64, 32)
    norm, features = model[-1], []
    hook = norm.register_forward_pre_hook(lambda _, args: features.append(args[0].detach()))
    with torch.no_grad():
        for _ in range(1000):
            model.train()(x.clone())
        z = torch.stack(features)
        noisy = z.var(dim=[a for a in range(z.ndim) if a != 2], correction=0)
        features.clear()
        model.eval()(x.clone())
    hook.remove()
    clean = features[0].var(dim=[a for a in range(z.ndim - 1) if a != 1], correction=0)
    found = ds.inside(model, x)
    (last,) = found.shifted
    shift = found.shifts[last]
    np.testing.assert_allclose(shift.ratio, (clean / noisy).numpy(), rtol=0.03)
    np.testing.assert_allclose(shift.learnt, shift.ratio, rtol=0.25)
    ((place, target),) = found.targets.items()
    assert (shift.dropout, len(target.notes)) == (place, 1)
    report = ds.check(target, resolution=0.1, checks=["rate.marginal"], seed=4)
    said = f"{np.median(shift.ratio):.3g} times in the median"
    assert any(
        said in one and f"normalisation {last} comes after" in one for one in report.observations
    )


@pytest.mark.framework("torch")
def test_a_known_shift_is_given_in_closed_form():
    """Centred inputs: 1 - rate, whatever the weights (Li et al. 2019)."""
    import torch

    x = torch.randn(4000, 32)
    x = torch.cat((x, -x))
    x = x / x.std(dim=0, correction=0)
    found = ds.inside(torch.nn.Sequential(torch.nn.Dropout(0.4), torch.nn.BatchNorm1d(32)), x)
    np.testing.assert_allclose(found.shifts["1"].ratio, 0.6, rtol=1e-4)
    assert found.shifts["1"].learnt is None
    assert (
        "0.6 times in the median, 0.6 to 0.6 times over 32 features" in found.targets["0"].notes[0]
    )


@pytest.mark.framework("torch")
def test_a_shift_is_the_one_of_the_formula_for_dense_weights(batch):
    import torch

    linear = torch.nn.Linear(32, 8)
    model = torch.nn.Sequential(torch.nn.Dropout(0.3), linear, torch.nn.BatchNorm1d(8))
    expected = ds.batchnorm.variance_shift(
        ds.laws.Inverted(), 0.3, batch.numpy(), linear.weight.detach().numpy().T
    )
    np.testing.assert_allclose(ds.inside(model, batch).shifts["2"].ratio, expected, rtol=1e-9)


@pytest.mark.framework("torch")
def test_normalisations_that_see_no_noise_are_not_warned_of(batch):
    import torch

    nn = torch.nn
    before = (nn.Linear(32, 32), nn.BatchNorm1d(32), nn.Dropout(0.3))
    of_batches = (nn.Dropout(0.3), nn.BatchNorm1d(32, track_running_stats=False))
    idle = (nn.Dropout(0.0), nn.BatchNorm1d(32), nn.Dropout(0.3))
    for parts in (before, of_batches, idle):
        model = nn.Sequential(*parts)
        found = ds.inside(model, batch)
        assert (found.shifted, found.shifts) == ((), {})
        assert not any(target.notes for target in found.targets.values())
    off = nn.Dropout(0.3).eval()
    off.train = lambda mode=True: off
    assert ds.inside(nn.Sequential(off, nn.BatchNorm1d(32)), batch).shifts == {}
    frozen = nn.BatchNorm1d(32).eval()
    frozen.train = lambda mode=True: frozen
    assert ds.inside(nn.Sequential(nn.Dropout(0.3), frozen), batch).shifts == {}


@pytest.mark.framework("torch")
def test_what_is_done_between_ends_the_search(batch):
    """No figure is given where the closed form does not hold."""
    import torch

    nn = torch.nn

    class Between(nn.Module):
        def __init__(self, change, *parts):
            super().__init__()
            self.drop, self.norm, self.change = nn.Dropout(0.3), nn.BatchNorm1d(32), change
            self.parts = nn.Sequential(*parts)

        def forward(self, x):
            return self.norm(self.parts(self.change(self.drop(x))))

    reflected = nn.Conv1d(32, 32, 3, padding=1, padding_mode="reflect")
    image = nn.Unflatten(1, (32, 1))
    channels = nn.Sequential(image, nn.Dropout1d(0.3), nn.Conv1d(32, 4, 1), nn.BatchNorm1d(4))
    for model in (
        Between(lambda x: x, nn.ReLU()),
        Between(torch.tanh),
        Between(torch.relu_),
        Between(lambda x: x.mul_(2)),
        Between(lambda x: x + x),
        Between(lambda x: x, nn.Linear(32, 32), nn.Linear(32, 32)),
        Between(lambda x: x[..., None].expand(-1, -1, 4), reflected),
        Between(lambda x: x, nn.utils.parametrizations.weight_norm(nn.Linear(32, 32))),
        nn.Sequential(nn.AlphaDropout(0.3), nn.BatchNorm1d(32)),
        channels,
    ):
        found = ds.inside(model, batch)
        assert len(found.shifted) == 1, model
        assert found.shifts == {}, model


ODD = (
    "InPlace",
    "OnlyInTraining",
    "SkippedByChance",
    "Frozen",
    "ByName",
    "Checkpointed",
    "Reentrant",
)


def correct_models():
    """Ordinary models, each of which does something odd with its dropout."""
    import torch
    from torch.utils.checkpoint import checkpoint

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear, self.drop = torch.nn.Linear(32, 32), torch.nn.Dropout(0.3)

    class OnlyInTraining(Model):
        def forward(self, x):
            return self.drop(x) if self.training else x

    class SkippedByChance(Model):
        def forward(self, x):
            return x if self.training and torch.rand(()) < 0.3 else self.drop(x)

    class Frozen(Model):
        def forward(self, x):
            with torch.no_grad():
                return self.drop(self.linear(x))

    class ByName(Model):
        def forward(self, *, features):
            return self.drop(input=self.linear(features))

    class Checkpointed(Model):
        reentrant = False

        def forward(self, x):
            part = lambda z: self.linear(self.drop(self.linear(z)))  # noqa: E731
            return checkpoint(part, x, use_reentrant=self.reentrant)

    class Reentrant(Checkpointed):
        reentrant = True

    in_place = torch.nn.Sequential(torch.nn.Linear(32, 32), torch.nn.Dropout(0.3, inplace=True))
    models = (OnlyInTraining, SkippedByChance, Frozen, ByName, Checkpointed, Reentrant)
    return {"InPlace": in_place, **{kind.__name__: kind() for kind in models}}


@pytest.mark.framework("torch")
@pytest.mark.parametrize(
    "name",
    [
        "InPlace",
        "OnlyInTraining",
        "SkippedByChance",
        "Frozen",
        "ByName",
        "Checkpointed",
        "Reentrant",
    ],
)
@pytest.mark.filterwarnings("ignore:.*requires_grad=True")
def test_correct_models_are_not_accused(name, batch):
    import torch

    model, state = correct_models()[name], torch.get_rng_state()
    found = ds.inside(model, features=batch) if name == "ByName" else ds.inside(model, batch)
    assert torch.equal(torch.get_rng_state(), state)
    (target,) = found.targets.values()
    report = ds.check(target, **QUICK)
    assert report.verdict == "pass", report
    differentiated = report["gradient.same_noise"].verdict == "pass"
    assert differentiated == (name not in {"Frozen", "Reentrant"})


@pytest.mark.framework("torch")
def test_a_layer_without_a_batch_drops_its_first_axis():
    import torch

    found = ds.inside(torch.nn.Sequential(torch.nn.Dropout3d(0.3)), torch.randn(16, 4, 4, 4))
    (target,) = found.targets.values()
    assert ds.check(target, **QUICK).verdict == "pass"


@pytest.mark.framework("torch")
def test_a_layer_of_the_users_own_that_is_a_dropout_is_judged(batch):
    import torch

    class Unscaled(torch.nn.Dropout):
        def forward(self, x):
            return x * (torch.rand_like(x) > self.p) if self.training else x

    (target,) = ds.inside(torch.nn.Sequential(Unscaled(0.3)), batch).targets.values()
    assert ds.check(target, **QUICK)["support.kept_value"].verdict == "fail"
    with pytest.raises(ds.HarnessError, match="hand over a"):
        ds.inside(torch.nn.Dropout, batch)


@pytest.mark.framework("torch")
def test_a_layer_with_a_call_of_its_own_is_held_to_no_law_of_its_base(batch):
    """AllenNLP's variational dropout derives from PyTorch's, and shares its mask over time."""
    import torch

    class Variational(torch.nn.Dropout):
        def forward(self, x):
            mask = torch.nn.functional.dropout(torch.ones_like(x[:1]), self.p, self.training)
            return x * mask

    (target,) = ds.inside(torch.nn.Sequential(Variational(0.3)), batch).targets.values()
    assert target.law is None
    assert ds.check(target, ds.laws.Inverted(unit=(0,)), **QUICK).verdict == "pass"


class Said:
    """What a report says of the evaluation of a target."""

    def __init__(self, target):
        checks = ["inference.law", "inference.deterministic"]
        self.report = ds.check(target, checks=checks, **QUICK)
        self.deterministic = self.report["inference.deterministic"]
        self.observed = " ".join(self.report.observations)


@pytest.fixture
def functional():
    """A dropout layer, and a function that nobody told of evaluation."""
    import torch

    class Functional(torch.nn.Module):
        def __init__(self, inplace=False):
            super().__init__()
            self.linear, self.drop = torch.nn.Linear(32, 32), torch.nn.Dropout(0.2, inplace)

        def forward(self, x):
            return torch.nn.functional.dropout(self.drop(self.linear(x)), 0.5)

    return Functional


@pytest.mark.framework("torch")
@pytest.mark.parametrize("inplace", [False, True])
def test_a_function_that_drops_in_evaluation_fails_the_run(functional, batch, inplace):
    import torch

    model, state = functional(inplace), torch.get_rng_state()
    found = ds.inside(model, batch)
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training
    assert found.evaluation_differs.startswith("differ by up to")
    said = Said(found.targets["drop"])
    assert said.deterministic.verdict == "fail"
    assert said.report["inference.law"].verdict == "pass", "the layer does what it should"
    (diagnosis,) = said.report.diagnoses
    assert diagnosis.name == "something else in the model draws in evaluation"
    assert "training=self.training" in diagnosis.fix
    assert found.evaluation_differs in said.observed


@pytest.mark.framework("torch")
def test_a_layer_that_stays_in_training_is_accused_alone(model, batch):
    model.drop.train = lambda mode=True: model.drop
    found = ds.inside(model, batch)
    assert found.evaluation_differs == ""
    assert Said(found.targets["late"]).deterministic.verdict == "pass"
    assert Said(found.targets["drop"]).deterministic.verdict == "fail"


@pytest.mark.framework("torch")
def test_a_layer_that_stays_in_training_in_place_is_accused_alone(batch):
    import torch

    stays = torch.nn.Dropout(0.3, inplace=True)
    stays.train = lambda mode=True: stays
    found = ds.inside(torch.nn.Sequential(torch.nn.Linear(32, 8), stays), batch)
    assert found.evaluation_differs == ""
    assert Said(found.targets["1"]).deterministic.verdict == "fail"


@pytest.mark.framework("torch")
def test_a_later_call_of_a_judged_layer_may_be_the_one_that_draws(batch):
    import torch

    class Twice(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.drop = torch.nn.Dropout(0.3)

        def forward(self, x):
            once = self.drop(x)
            self.drop.training = True
            return self.drop(once)

    assert ds.inside(Twice(), batch).evaluation_differs


@pytest.mark.framework("torch")
def test_a_layer_that_the_model_does_not_hold_is_seen_in_evaluation(model, batch):
    """One in a plain list gets no mode."""
    import torch

    class Holds(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.block, self.parts = model, [torch.nn.Dropout(0.5)]

        def forward(self, x):
            return {"loss": None, "scores": [self.parts[0](self.block(x))]}

    assert ds.inside(Holds(), batch).evaluation_differs


@pytest.mark.framework("torch")
def test_a_model_that_writes_into_its_input_evaluates_alike(batch):
    import torch

    class Writes(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.drop = torch.nn.Dropout(0.3)

        def forward(self, x):
            return self.drop(x.mul_(2))

    found = ds.inside(Writes(), batch)
    assert found.evaluation_differs == ""
    assert Said(found.targets["drop"]).report.verdict == "pass"


@pytest.mark.framework("torch")
def test_what_returns_no_arrays_is_said_not_to_be_compared(model, batch):
    import torch

    class Silent(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.block = model

        def forward(self, x):
            self.block(x)

    target = ds.inside(Silent(), batch).targets["block.drop"]
    assert "its evaluation passes were not compared" in Said(target).observed


@pytest.mark.framework("torch")
def test_a_refused_model_is_told_what_draws_in_it(functional, batch):
    import torch

    model = functional()
    model.drop = torch.nn.Identity()
    with pytest.raises(ds.HarnessError, match="holds no dropout layer") as refused:
        ds.inside(model, batch)
    assert "two training passes of it on one input differ by up to" in str(refused.value)
    assert "two evaluation passes of it on one input differ by up to" in str(refused.value)
    with pytest.raises(ds.HarnessError) as refused:
        ds.inside(torch.nn.Linear(32, 2), batch)
    assert "passes" not in str(refused.value)
    model.drop = torch.nn.Dropout(0.0)
    with pytest.raises(ds.HarnessError, match="draws in evaluation"):
        ds.inside(model, batch)


@pytest.mark.framework("torch")
def test_layers_that_drop_inside_themselves_are_named_with_their_rate():
    import torch

    nn = torch.nn

    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(32, 32, 2, dropout=0.3, batch_first=True)
            self.gru = nn.GRU(32, 32, 3, dropout=0.4, batch_first=True)
            self.single = nn.RNN(32, 32, batch_first=True)
            self.idle = nn.MultiheadAttention(32, 2, batch_first=True)
            self.block = nn.TransformerEncoderLayer(32, 2, 64, dropout=0.1, batch_first=True)

        def forward(self, x):
            x = self.single(self.gru(self.lstm(x)[0])[0])[0]
            return self.block(self.idle(x, x, x)[0])

    found = ds.inside(Mixed(), torch.randn(4, 8, 32))
    assert found.enclosed == {
        "lstm": (0.3, "torch.nn:LSTM"),
        "gru": (0.4, "torch.nn:GRU"),
        "block.self_attn": (0.1, "torch.nn:MultiheadAttention"),
    }
    assert found.evaluation_differs == ""
    said = Said(found.targets["block.dropout"])
    assert said.report.verdict == "pass"
    assert "lstm (LSTM, dropout=0.3) drops inside itself" in said.observed
    for one in found.enclosed.values():
        assert ds.adapt(one.judged_by).evaluate


@pytest.mark.framework("torch")
def test_a_model_that_drops_only_inside_layers_is_told_how_to_judge_them():
    import torch

    lstm = torch.nn.LSTM(32, 32, 2, dropout=0.3)
    with pytest.raises(ds.HarnessError, match=r"the model \(LSTM, dropout=0.3\)") as refused:
        ds.inside(lstm, torch.randn(4, 8, 32))
    assert "dropout_stats.adapt('torch.nn:LSTM')" in str(refused.value)
    assert "two training passes" in str(refused.value)


@pytest.mark.framework("torch")
def test_an_enclosed_layer_that_stays_in_training_fails_the_run():
    import torch

    layer = torch.nn.TransformerEncoderLayer(32, 2, 64, dropout=0.1, batch_first=True)
    layer.self_attn.train = lambda mode=True: layer.self_attn
    found = ds.inside(layer, torch.randn(4, 8, 32))
    assert Said(found.targets["dropout"]).deterministic.verdict == "fail"


@pytest.mark.framework("torch")
def test_a_shift_without_a_closed_form_is_warned_of_without_its_size(batch):
    import torch

    nn = torch.nn
    between = (nn.Dropout(0.2), nn.Dropout(0.3), nn.Linear(32, 8), nn.ReLU(), nn.BatchNorm1d(8))
    found = ds.inside(nn.Sequential(*between), batch)
    assert (found.shifted, found.shifts) == (("4",), {})
    assert found.targets["0"].notes == ()
    assert "normalisation 4 is called after 1" in Said(found.targets["1"]).observed
    frozen = nn.BatchNorm1d(8).eval()
    frozen.train = lambda mode=True: frozen
    found = ds.inside(nn.Sequential(*between[:-1], frozen), batch)
    assert found.shifted == ()
    assert found.targets["1"].notes == ()


@pytest.mark.framework("torch")
@pytest.mark.filterwarnings("ignore:.*nested tensors")
def test_a_transformer_that_evaluates_padded_sequences_without_their_padding_is_looked_into():
    import torch

    layer = torch.nn.TransformerEncoderLayer(32, 2, 64, dropout=0.1, batch_first=True)
    model, padding = torch.nn.TransformerEncoder(layer, 2), torch.zeros(4, 8, dtype=torch.bool)
    padding[:, 6:] = True
    found = ds.inside(model, torch.randn(4, 8, 32), src_key_padding_mask=padding)
    assert found.evaluation_differs == ""
    assert len(found.targets) == 6
    assert list(found.enclosed) == ["layers.0.self_attn", "layers.1.self_attn"]


@pytest.mark.framework("torch")
def test_noise_that_is_lost_in_the_precision_of_the_output_is_seen():
    import torch

    class Faint(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.drop = torch.nn.Dropout(0.3)

        def forward(self, x):
            return 100 + 0.1 * torch.nn.functional.dropout(self.drop(x))

    found = ds.inside(Faint(), torch.ones(8, 32))
    assert found.evaluation_differs == "differ by up to 0.2, where its values reach 100"
    coarse = ds.inside(Faint().bfloat16(), torch.ones(8, 32, dtype=torch.bfloat16) * 10)
    assert coarse.evaluation_differs
