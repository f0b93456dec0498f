"""Contexts that predict the masks: the strongest is the root, and the others see its shadow."""

from __future__ import annotations

from dropout_stats.diagnose.cause import cause_of

COUNTED = ("position.*", "dependence.*", "input.*", "calls.*", "peers.copy", "peers.overlap")
# What a wrong context explains: the others see its shadow, and so do sums of units.
_SHADOWS = (*COUNTED, "gap.*")
_SHARED = (
    "dependence.lag",
    "dependence.all_lags",
    "dependence.axes",
    "dependence.patterns",
    "dependence.row_dispersion",
    "calls.count_dispersion",
)
# Probes that go by how many of many units are kept: of units that share draws there are few.
_OF_FEW_DRAWS = ("structure.values", "structure.frequencies", "gradient.noise")

POSITION = cause_of(
    ["position.*"],
    "the keep probability depends on the position",
    "some places of a call are kept more often than others: the end of a loop, the tail of a "
    "block, a lane, a row or a column is treated otherwise",
    "draw and compare in the same way at every index; look at loop ends, block sizes and axes. If "
    "the first places alone are wrong, look at how the generator is started: anew at each call, "
    "from a number that counts calls, it draws there nearly what it drew in the call before",
    explains=[*_SHADOWS, "randomness.*"],
)
DEPENDENCE = cause_of(
    [*_SHARED],
    "units do not draw independently",
    "a unit's draw tells something of another's: units share a draw, a generator repeats within "
    "a call, or the number of kept units is held fixed",
    "draw one number for each unit; check the shape of the mask and that it is not broadcast. If "
    "elements of a channel, a sample or an axis are meant to share one draw, declare it: "
    "laws.Inverted(unit='channel')",
    explains=[*_SHADOWS, "randomness.*", *_OF_FEW_DRAWS],
)
INPUT = cause_of(
    ["input.class", "input.zero"],
    "the mask depends on the input",
    "a unit is kept more or less often depending on the sign or the size of its input, or where "
    "it is 0",
    "draw the mask from noise alone, without looking at the values that it multiplies",
    explains=_SHADOWS,
)
REUSE = cause_of(
    ["calls.previous", "calls.overlap"],
    "calls reuse the draws of earlier calls",
    "a mask holds draws of the calls before it, at the same place or shifted",
    "advance the generator, or its counter, by as many numbers as a call draws",
    explains=[*_SHADOWS, "randomness.*"],
)
DRIFT = cause_of(
    ["calls.drift"],
    "the rate drifts over the calls",
    "the share of kept units is not the same throughout the run",
    "use the rate as it is given in each call; if it is scheduled, judge it at one step",
    explains=_SHADOWS,
)
REPEATED = cause_of(
    ["calls.repeated_mask"],
    "the same mask comes back",
    "calls return masks that earlier calls returned: the seed is constant, the generator is not "
    "advanced, or the mask is cached",
    "draw from one generator that lives across calls; never seed inside the call",
    explains=[*_SHADOWS, "randomness.*"],
)

CONTEXTS = (REPEATED, POSITION, DEPENDENCE, INPUT, REUSE, DRIFT)
