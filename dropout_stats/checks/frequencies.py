"""Shares of kept units in the few calls of a probe: told apart only where that is beyond chance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dropout_stats.evidence.bernoulli import Counts
from dropout_stats.evidence.tables import surplus
from dropout_stats.laws import Reading

# An event with so large an expected number of occurrences does not happen at all with probability
# below e^-60 under the law, and by Chernoff's bound a share whose divergence from the law is as
# large has a probability below 2 e^-60: a check may then fail.
SURELY = 60.0


def counts_of(reading: Reading) -> Counts:
    """The bits of one pass."""
    return Counts(reading.units, reading.kept)


def departs(counts: Counts, keep_probs: Sequence[float]) -> bool:
    """Whether no probability makes such a share that is one of these, or lies between them."""
    nearest = np.clip(counts.share, min(keep_probs), max(keep_probs))
    return float(surplus(counts.successes, counts.trials, nearest)) > SURELY


def differ(one: Counts, other: Counts) -> bool:
    """Whether hardly one probability makes both shares."""
    both = one + other
    evidence = [surplus(c.successes, c.trials, both.share) for c in (one, other)]
    return float(np.sum(evidence)) > SURELY
