"""One total error probability, split over cases before anything is sampled."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Share:
    """The part of the total error probability that one case may spend.

    A case rejects once its e-value reaches 1/share: by Ville's inequality that happens with
    probability at most `share` under the law, over all looks. Shares add up to the total, so the
    probability that any case of a conforming run rejects is at most the total, whatever the
    dependence between cases, and stays so when cases are left out.
    """

    probability: float

    @property
    def log_threshold(self) -> float:
        """The natural log of the e-value at which the case rejects."""
        return -math.log(self.probability)


def split(total: float, cases: int) -> Share:
    """Give each of `cases` the same part of `total`."""
    if not 0 < total < 1:
        raise ValueError(f"the total error probability must lie inside (0, 1), got {total!r}")
    return Share(total / max(cases, 1))
