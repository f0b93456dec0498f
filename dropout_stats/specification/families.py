"""The families of requirements and their numbers, which are cited and therefore never change."""

from __future__ import annotations

from typing import NamedTuple


class Family(NamedTuple):
    """Requirements about one subject.

    Args:
        number: its number; a new family takes the next one, wherever reports show it.
        name: the first part of the ids of its checks.
        title: what it is about.

    """

    number: int
    name: str
    title: str


FAMILIES: tuple[Family, ...] = (
    Family(1, "interface", "The interface"),
    Family(2, "limits", "The ends of the rate"),
    Family(3, "support", "Outputs and masks"),
    Family(4, "structure", "Single calls of every kind"),
    Family(5, "precision", "Rounding"),
    Family(6, "rate", "The keep probability"),
    Family(7, "moments", "Mean, noise and variance"),
    Family(8, "inference", "The evaluation pass"),
    Family(9, "calls", "From call to call"),
    Family(10, "position", "Places in a call"),
    Family(11, "dependence", "Units of one call"),
    Family(12, "peers", "Peers"),
    Family(13, "input", "The values of the input"),
    Family(14, "gradient", "The gradient"),
    Family(15, "randomness", "Seeds and generators"),
    Family(16, "noise", "Noise with a density"),
    Family(17, "gap", "The gap of a nonlinear layer"),
)

by_name: dict[str, Family] = {family.name: family for family in FAMILIES}
