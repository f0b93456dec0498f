"""The gap of a nonlinear layer between training and evaluation, with a proved error.

Dropout that is scaled in training and dropout that is scaled in evaluation agree through a linear
layer. Through a nonlinear one f, the mean of the training pass, E f(z), is not the evaluation pass,
f(E z). `neuron` is that difference for one unit, exactly; docs/explanation/gap.md has the proofs.
`equivalent` has the hyper-parameters with which both strategies train alike.
"""

from dropout_stats.gap.equivalence import Equivalence, equivalent
from dropout_stats.gap.neuron import expectation, neuron
from dropout_stats.gap.result import Gap

__all__ = ["Equivalence", "Gap", "equivalent", "expectation", "neuron"]
