"""Do patterns of independent trials come back more often than chance allows?

Each pattern is worth its probability under the law, given its number of successes, so that a
chance repeat (short patterns, extreme probabilities) is no evidence and a repeat of a long pattern
is decisive. The e-process is exact for every success probability: its factor at a pattern is
(1 - eps) + eps * (earlier copies / earlier patterns) / P(pattern), with mean 1 under the law.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dropout_stats.evidence.bernoulli import Counts, divergence

_LOG_COPY = math.log(1 / 32)  # weight of "this pattern is a copy of an earlier one"
_LOG_FRESH = math.log(31 / 32)


def pool_excluded_by(patterns: int, power: float) -> float:
    """The largest pool from which `patterns` distinct draws would show a repeat with `power`."""
    return patterns * (patterns - 1) / (2 * -math.log1p(-power))


def chance_of_repeat(patterns: int, log_agreement: float) -> float:
    """Bound for the probability that so many independent patterns repeat by chance.

    Args:
        patterns: how many.
        log_agreement: the log-probability that two of them agree.

    """
    return patterns**2 / 2 * math.exp(log_agreement)


@dataclass
class Repeats:
    """Patterns of trials, in the order in which they came.

    Args:
        null: success probability under the law.

    """

    null: float
    _seen: dict[bytes, int] = field(default_factory=dict)
    _copies: list[float] = field(default_factory=list)
    _successes: list[int] = field(default_factory=list)
    _failures: list[int] = field(default_factory=list)
    _known: list[float] = field(default_factory=list)

    def add(
        self, digest: bytes, trials: int, successes: int, log_chance: float | None = None
    ) -> bool:
        """Take the next pattern; say whether it was new.

        Args:
            digest: identifies the pattern; collisions must be negligible.
            trials: its trials.
            successes: how many of them were successes.
            log_chance: no less than its log-probability under the law; None: that of its trials.

        """
        earlier = self._seen.get(digest, 0)
        self._copies.append(earlier / max(len(self._copies), 1))
        self._successes.append(successes)
        self._failures.append(trials - successes)
        self._known.append(math.nan if log_chance is None else log_chance)
        self._seen[digest] = earlier + 1
        return not earlier

    @property
    def patterns(self) -> int:
        """Patterns taken so far."""
        return len(self._copies)

    @property
    def distinct(self) -> int:
        """Different patterns among them."""
        return len(self._seen)

    def log_e(self) -> float:
        """Log e-value against independent patterns with any constant success probability."""
        if not self._copies:
            return 0.0
        with np.errstate(divide="ignore"):
            copy = _LOG_COPY + np.log(self._copies) - self._log_chances()
        gained = float(np.logaddexp(_LOG_FRESH, copy)[1:].sum())  # the first can be no copy
        successes = sum(self._successes)
        return gained - divergence(Counts(successes + sum(self._failures), successes), self.null)

    def _log_chances(self) -> NDArray[np.float64]:
        """Log-probability of each pattern under the law, or more."""
        chances = np.array(self._successes) * math.log(self.null)
        chances += np.array(self._failures) * math.log1p(-self.null)
        known = np.array(self._known)
        return np.asarray(np.where(np.isnan(known), chances, known))

    def excludes(self, pool: float, power: float) -> bool:
        """Whether draws from a pool of this size or smaller have been excluded.

        Without a repeat so far, such draws had at most the probability prod(1 - i/pool). After a
        repeat, even one by chance, nothing is excluded.
        """
        if self.distinct < self.patterns or pool < self.patterns:
            return self.distinct == self.patterns > 1
        fresh = np.log1p(-np.arange(self.patterns) / pool)
        return float(fresh.sum()) <= math.log1p(-power)

    def resolution(self, power: float) -> float:
        """The largest pool that these patterns exclude; 0 where they exclude none."""
        low, high = 0.0, max(2.0, 2 * pool_excluded_by(self.patterns, power))
        for _ in range(40):
            middle = (low + high) / 2
            if self.excludes(middle, power):
                low = middle
            else:
                high = middle
        return low
