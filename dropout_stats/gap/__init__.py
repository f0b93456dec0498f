"""The gap of a nonlinear layer between training and evaluation, with a proved error.

Dropout that is scaled in training and dropout that is scaled in evaluation agree through a linear
layer. Through a nonlinear one f, the mean of the training pass, E f(z), is not the evaluation pass,
f(E z). `neuron` is that difference for one unit, `layer` for all units of a layer over a batch;
docs/explanation/gap.md has the proofs.
`equivalent` has the hyper-parameters with which both strategies train alike.
"""

from dropout_stats.gap.equivalence import Equivalence, equivalent
from dropout_stats.gap.layer import layer
from dropout_stats.gap.neuron import expectation, neuron
from dropout_stats.gap.result import Gap, Gaps

__all__ = ["Equivalence", "Gap", "Gaps", "equivalent", "expectation", "layer", "neuron"]
