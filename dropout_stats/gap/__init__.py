"""The gap of a nonlinear layer between training and evaluation, with a proved error.

Dropout that is scaled in training and dropout that is scaled in evaluation agree through a linear
layer. Through a nonlinear one f, the mean of the training pass, E f(z), is not the evaluation pass,
f(E z). `neuron` is that difference for one unit, `layer` for all units of a layer over a batch;
docs/explanation/gap.md has the proofs. `network` is that difference at the output of a deep
network, and `mean_field` its limit in wide random ones; docs/explanation/gap-of-networks.md has
theirs. `equivalent` has the hyper-parameters with which both strategies train alike.
"""

from dropout_stats.gap.equivalence import Equivalence, equivalent
from dropout_stats.gap.layers.layer import layer
from dropout_stats.gap.networks.dense import Dense
from dropout_stats.gap.networks.mean_field import MeanField, mean_field
from dropout_stats.gap.networks.network import NetworkGap, network
from dropout_stats.gap.neuron import expectation, neuron
from dropout_stats.gap.result import Gap, Gaps

__all__ = [
    "Dense",
    "Equivalence",
    "Gap",
    "Gaps",
    "MeanField",
    "NetworkGap",
    "equivalent",
    "expectation",
    "layer",
    "mean_field",
    "network",
    "neuron",
]
