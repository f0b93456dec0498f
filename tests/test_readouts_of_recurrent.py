"""A stack of recurrent layers is judged by what its layers hand to each other."""

import numpy as np
import pytest

import dropout_stats as ds
from dropout_stats import readouts
from dropout_stats.zoo.core import Core

QUICK = {"resolution": 2**-5, "seed": 5, "rates": [0.1, 0.7], "shapes": [(16, 16, 32)]}


class Stack(Core):
    """Elman layers with dropout between them."""

    def layers(self, inputs, weights, biases, masks, rate):
        for place, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            if place:
                inputs = self.apply(inputs, masks[place - 1], rate)
            inputs = self.layer(inputs, weight, bias)
        return inputs

    def layer(self, inputs, weights, bias):
        """Recurrent weights are 0, and only then the state is not needed."""
        return np.tanh(inputs @ weights + bias)

    def masks(self, inputs, gaps, rate):
        return [self.mask(inputs.shape, rate) for _ in range(gaps)]

    def run(self, inputs, weights, biases, rate):
        self.require(rate)
        masks = self.masks(inputs, len(weights) - 1, rate)
        return self.layers(inputs, weights, biases, masks, rate)

    def run_in_evaluation(self, inputs, weights, biases, rate):
        for weight, bias in zip(weights, biases, strict=True):
            inputs = self.layer(inputs, weight, bias)
        return inputs

    def run_vjp(self, inputs, weights, biases, dy, rate):
        self.require(rate)
        masks = self.masks(inputs, len(weights) - 1, rate)
        outputs = self.layers(inputs, weights, biases, masks, rate)
        for mask in self.masks_of_backward(inputs, masks, rate):
            dy = self.backward(dy, outputs, mask, rate)
        return outputs, dy

    def masks_of_backward(self, inputs, masks, rate):
        return masks

    def target(self, layers=3):
        return readouts.recurrent(
            self.run,
            self.run_in_evaluation,
            layers=layers,
            vjp=self.run_vjp,
            seed=self.seed,
            name=type(self).__name__,
        )


class Rectified(Stack):
    def layer(self, inputs, weights, bias):
        return np.maximum(inputs @ weights + bias, 0)


class OneMaskForAllLayers(Stack):
    def masks(self, inputs, gaps, rate):
        return [self.mask(inputs.shape, rate)] * gaps


class OneMaskForAllSteps(Stack):
    def masks(self, inputs, gaps, rate):
        once = (inputs.shape[0], 1, inputs.shape[2])
        return [np.broadcast_to(self.mask(once, rate), inputs.shape) for _ in range(gaps)]


class DropsAfterTheLast(Stack):
    def run(self, inputs, weights, biases, rate):
        outputs = super().run(inputs, weights, biases, rate)
        return self.apply(outputs, self.mask(outputs.shape, rate), rate)


class DropsOnlyAfterTheLast(Stack):
    def run(self, inputs, weights, biases, rate):
        outputs = self.run_in_evaluation(inputs, weights, biases, rate)
        return self.apply(outputs, self.mask(outputs.shape, rate), rate)


class DropsBeforeTheFirst(Stack):
    def run(self, inputs, weights, biases, rate):
        inputs = self.apply(inputs, self.mask(inputs.shape, rate), rate)
        return super().run(inputs, weights, biases, rate)


class DropsInEvaluation(Stack):
    def run_in_evaluation(self, inputs, weights, biases, rate):
        return self.run(inputs, weights, biases, rate)


class NeverDrops(Stack):
    def run(self, inputs, weights, biases, rate):
        return self.run_in_evaluation(inputs, weights, biases, rate)


class GradientOfOtherMasks(Stack):
    def masks_of_backward(self, inputs, masks, rate):
        return self.masks(inputs, len(masks), rate)


@pytest.mark.parametrize("core", [Stack, Rectified])
@pytest.mark.parametrize("layers", [2, 3])
def test_layers_that_drop_between_them_conform(core, layers):
    report = ds.check(core().target(layers), **QUICK)
    assert report.verdict == "pass", report
    for check in ("dependence.axes", "gradient.same_noise", "inference.law"):
        assert report[check].verdict == "pass"


@pytest.mark.parametrize(
    ("wrong", "check"),
    [
        (OneMaskForAllLayers, "rate.marginal"),
        (OneMaskForAllSteps, "dependence.axes"),
        (DropsAfterTheLast, "support.kept_value"),
        (DropsOnlyAfterTheLast, "support.kept_value"),
        (DropsBeforeTheFirst, "support.kept_value"),
        (DropsInEvaluation, "inference.deterministic"),
        (NeverDrops, "rate.marginal"),
        (GradientOfOtherMasks, "gradient.same_noise"),
    ],
)
def test_layers_that_drop_otherwise_fail(wrong, check):
    report = ds.check(wrong().target(), **QUICK)
    assert report[check].verdict == "fail", report


def test_one_mask_for_all_steps_is_a_law_of_its_own():
    """Variational dropout (Gal and Ghahramani 2016)."""
    target = OneMaskForAllSteps().target()
    assert ds.check(target, ds.laws.Inverted(unit=(1,)), **QUICK).verdict == "pass"


@pytest.mark.parametrize("rate_argument", ["rate", "keep_prob"])
def test_masks_are_asked_for_at_the_rate_whose_product_is_the_asked_one(rate_argument):
    seen = []
    target = readouts.recurrent(
        lambda inputs, weights, biases, rate: seen.append(rate) or inputs,
        layers=4,
        conventions=ds.Conventions(rate_argument=rate_argument),
    )
    for rate in (0.0, 0.1, 0.7, 1.0):
        target.train(np.ones((1, 1, 1), np.float32), rate)
    kept = np.array(seen) if rate_argument == "keep_prob" else 1 - np.array(seen)
    expected = np.array([0.0, 0.1, 0.7, 1.0])
    expected = expected if rate_argument == "keep_prob" else 1 - expected
    np.testing.assert_allclose(kept**3, expected, rtol=1e-14)


def test_what_cannot_be_read_is_refused():
    with pytest.raises(ds.UsageError, match="layers must be at least 2"):
        readouts.recurrent(lambda *_: None, layers=1)
    with pytest.raises(ds.UsageError, match="ask with layers=2"):
        readouts.recurrent(lambda *_: None, law=ds.laws.GaussianMultiplicative())
    with pytest.raises(ds.UsageError, match="in float32 or float64; asked for float16"):
        readouts.recurrent(lambda *_: None, conventions=ds.Conventions(dtypes=("float16",)))


@pytest.mark.framework("torch")
@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_layers_of_torch_are_read_through_their_weights(kind):
    import torch

    gates = {"RNN": [None], "GRU": [-1e3, -1e3, None], "LSTM": [1e3, -1e3, None, 1e3]}[kind]

    def passes(*, training):
        def run(inputs, weights, biases, rate):
            size = inputs.shape[-1]
            network = getattr(torch.nn, kind)(size, size, len(weights), dropout=rate)
            network = network.requires_grad_(False).train(training)
            for place, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
                for gate, forced in enumerate(gates):
                    rows = slice(gate * size, (gate + 1) * size)
                    is_open = forced is None
                    of_input = weight if is_open else np.zeros_like(weight)
                    added = bias if is_open else np.full_like(bias, forced)
                    getattr(network, f"weight_ih_l{place}")[rows] = torch.tensor(of_input)
                    getattr(network, f"bias_ih_l{place}")[rows] = torch.tensor(added)
                getattr(network, f"weight_hh_l{place}").zero_()
                getattr(network, f"bias_hh_l{place}").zero_()
            return network(torch.tensor(inputs).swapaxes(0, 1))[0].swapaxes(0, 1).numpy()

        return run

    target = readouts.recurrent(
        passes(training=True), passes(training=False), seed=torch.manual_seed
    )
    report = ds.check(target, resolution=2**-4, seed=5, rates=[0.3], shapes=[(16, 16, 32)])
    assert report.verdict == "pass", report
