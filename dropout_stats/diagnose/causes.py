"""Causes that failed checks name by themselves, roots before what follows from them."""

from __future__ import annotations

from dropout_stats.diagnose.cause import Cause, cause_of
from dropout_stats.diagnose.contexts import COUNTED, INPUT

# Where units are torn, their counts are no counts of draws.
TORN = cause_of(
    ["support.shared_draw"],
    "units share their draws otherwise than declared",
    "elements that the law says share one draw are kept and dropped apart: the mask is drawn "
    "for each element, or along other axes, or its blocks have another size",
    "draw a mask that is 1 long along the axes that share a draw, and broadcast it; or declare "
    "the unit that is meant: laws.Inverted(unit=...). For DropBlock, let each start cover "
    "block_size places along each axis, edges included",
    explains=["rate.*", "moments.*", "gap.*", "structure.*", *COUNTED, "gradient.at_zero"],
)

FACTORS = cause_of(
    ["support.kept_value"],
    "kept values have no common factor",
    "kept units of one call are multiplied by different factors, or by one of either sign: "
    "the mask is not one of zeros and ones, or the scale depends on the place or on the value",
    "multiply by a mask of zeros and ones and by one scale",
    looks=["no common factor"],
    explains=["support.shared_draw", *COUNTED],
    follows=["rate.marginal", "structure.*", "precision.*", "gradient.*"],
)
COUNT = cause_of(
    ["support.count"],
    "another number of units is kept than declared",
    "the law fixes how many units are kept: a number that varies is that of independent draws, one "
    "that does not is rounded otherwise, or fixed for another group",
    "choose exactly units * (1 - rate) of them, rounded, in each group that the law names; or "
    "declare independent draws: laws.Inverted()",
    explains=["calls.count_dispersion", "dependence.row_dispersion"],
    follows=["rate.marginal", "moments.*", "gap.*", "structure.*", "precision.*"],
)

OTHERS: tuple[Cause, ...] = (
    cause_of(
        ["dependence.survivors"],
        "one unit always survives",
        "calls in which everything is dropped are rarer than independent units make them",
        "let the mask be empty where the draws say so",
    ),
    cause_of(
        ["peers.agree"],
        "peers that must agree draw different noise",
        "layers, lanes or ranks that hold copies of one activation drop different units of it, so "
        "the copies drift apart",
        "give peers that must agree one seed, and draw from the generator that it sets",
    ),
    cause_of(
        ["peers.copy", "peers.overlap"],
        "peers draw the same noise",
        "layers, workers, lanes or ranks that run side by side have the same draws",
        "give each peer a seed of its own: fold its number into it, or split the key",
    ),
    cause_of(
        ["support.kept_value", "structure.layouts"],
        "values end up in other places",
        "outputs are kept values of other units: the mask is right, the addresses are not",
        "respect the strides of the input; do not mix flat and shaped indices",
        looks=["the kept value of another unit"],
        explains=["structure.*", "limits.rate_zero", "support.*", "precision.*"],
        follows=["gradient.forward"],
    ),
    cause_of(
        ["support.kept_value", "precision.values"],
        "kept values are rounded",
        "kept values are nearly right, but off by more than the rounding of their type",
        "scale in the type of the input, or wider",
        looks=["off by rounding"],
        explains=["gradient.*", "structure.*", "moments.*", "gap.*", "precision.*"],
        follows=["support.*"],
    ),
    cause_of(
        ["interface.shape"],
        "an axis is lost",
        "the output has another shape than the input, in some ranks",
        "do not squeeze, flatten or broadcast; return the shape that was given",
        explains=["structure.*", "interface.*", "gradient.*"],
    ),
    cause_of(
        ["interface.dtype", "interface.numpy_rate"],
        "the type is promoted",
        "the output has another type than the input: the scale was computed in a wider one",
        "make the scale a number of the type of the input",
        explains=["structure.*"],
        follows=["precision.*"],
    ),
    cause_of(
        ["interface.input_unchanged"],
        "the input is overwritten",
        "the caller's input is changed by the call",
        "write the result into a new array",
        explains=["structure.*"],
    ),
    cause_of(
        ["interface.invalid_rate"],
        "accepting any rate",
        "rates outside the domain are taken without a word",
        "raise an error for rates outside [0, 1] and for NaN",
    ),
    cause_of(
        ["limits.rate_zero"],
        "dropping at rate 0",
        "units are dropped, or changed, at rate 0",
        "return early at rate 0, or keep where uniform >= rate with uniforms in [0, 1)",
        explains=["structure.rates"],
    ),
    cause_of(
        ["limits.rate_one"],
        "0 times infinity at rate 1",
        "1/(1 - rate) is infinite at rate 1, and 0 times infinity is NaN",
        "return zeros at rate 1",
        looks=["NaN"],
        explains=["structure.rates"],
    ),
    cause_of(
        ["structure.shapes", "structure.layouts"],
        "wrong for some shapes",
        "ordinary calls are right; others, of another shape or layout, are not",
        "look at the code path that these shapes take",
        explains=["structure.*"],
        follows=["support.*", "precision.*", "interface.*"],
    ),
    cause_of(
        ["structure.rates"],
        "wrong at some rates",
        "the rates of the counted checks are right; others in the domain are not",
        "look for special cases, rounding and clipping of the rate",
        explains=["structure.*"],
    ),
    cause_of(
        ["rate.steps"],
        "wrong at some steps of the schedule",
        "the steps that are judged in full are right; at others the values, or the number of kept "
        "units, are not those of their rate",
        "look at how the rate of a step is set: when a step is counted, what an epoch or a restart "
        "does to the count, and whether an evaluation in between leaves the layer in its mode",
    ),
    cause_of(
        ["structure.values"],
        "0 times infinity",
        "a dropped infinity or NaN does not become 0, though that is declared",
        "select (`where`) instead of multiplying by the mask",
        looks=["NaN"],
    ),
    cause_of(
        ["structure.values"],
        "unusual values are changed",
        "ordinary inputs are right; zeros, NaN, infinities, subnormal or very large ones are not",
        "scale or drop every value as it is; do not clean, clip or replace any",
    ),
    cause_of(
        ["support.returned_mask"],
        "the returned mask is not the mask that was applied",
        "the mask beside the output says something else than the output does",
        "return the keep mask that was applied: true where the unit was kept",
    ),
    cause_of(
        ["inference.deterministic"],
        "something else in the model draws in evaluation",
        "two evaluation passes of the model on one input differ, though its dropout layers were "
        "passed by: evaluation mode does not reach all that draws",
        "hand the mode on to functions, F.dropout(x, p, training=self.training), or use layers; "
        "build every layer once, as a part of the model, so that its mode reaches it. A model that "
        "is meant to draw in evaluation, as one that samples, expects this failure: ds.Expected",
        looks=["elsewhere in the model"],
    ),
    cause_of(
        ["inference.deterministic"],
        "evaluation draws noise",
        "two evaluation passes of the same input differ, though they do not drop units",
        "evaluate without drawing anything",
        explains=["gradient.evaluation"],
        follows=["inference.law", "randomness.idle"],
    ),
    cause_of(
        ["moments.enumerated"],
        "the pass with a given mask does not follow the law",
        "summed over every mask that can be handed in, its mean or its variance is another than "
        "the law's; a pass that draws its own mask does not show it",
        "multiply by the mask and by the scale of the law, 1/(1 - rate) for inverted dropout; or "
        "let the training pass call it with the mask that it draws",
    ),
    cause_of(
        ["inference.graph"],
        "dropout is left in the test network",
        "the evaluation pass gives its input back, but computes it",
        "return the input itself in evaluation mode",
    ),
    cause_of(
        ["gap.nonlinear"],
        "sums of units do not follow the law",
        "each unit is kept as often as it should be, and a nonlinear layer behind them has another "
        "mean than independent units give it",
        "draw each unit by itself; no quasi-random, antithetic or stratified numbers",
    ),
    cause_of(
        ["gradient.dropped_is_zero"],
        "the backward pass does not apply the mask",
        "dropped units receive a gradient, as if the forward pass had kept them",
        "keep the mask of the forward pass and multiply dy by it",
        follows=["gradient.same_noise"],
    ),
    cause_of(
        ["gradient.same_noise"],
        "the backward pass disagrees with its forward pass",
        "the gradient of kept units is not dy times output/input: another mask, or another scale",
        "multiply dy by the mask and the scale of the same forward pass",
        follows=["gradient.dropped_is_zero"],
    ),
    cause_of(
        ["structure.frequencies"],
        "another rate in calls of another shape",
        "in usual calls the share of kept units is right, in others it is not: their number of "
        "dimensions, or their size, selects another path",
        "draw and compare in the same way whatever the shape",
        follows=["structure.shapes"],
    ),
    cause_of(
        ["gradient.noise"],
        "a differentiated pass draws otherwise than a training pass",
        "under differentiation the rate, the seed or the freshness of the masks is another one: "
        "the two run different code",
        "draw in one place for both, or let the differentiated pass call the training pass",
    ),
    cause_of(
        ["gradient.ends"],
        "the gradient is wrong where nothing, or everything, is dropped",
        "a pass that returns early leaves the mask of an earlier one behind, or 0 times infinity "
        "gives NaN",
        "keep the mask of the pass that is differentiated, also where it drops nothing",
    ),
    cause_of(
        ["gradient.forward"],
        "a differentiated pass is not the training pass",
        "outputs that are lawful without differentiation are not lawful under it: the two run "
        "different code",
        "let the differentiated pass return what the training pass returns",
    ),
    Cause(
        ("gradient.at_zero",),
        INPUT.diagnosis,
        explains=("gradient.at_zero",),
        looks=("follows the values",),
    ),
    cause_of(
        ["gradient.at_zero"],
        "the backward pass infers the mask from values",
        "the gradient follows the mask where the input is not 0, and does not where it is 0: "
        "output != 0 was taken for the mask",
        "keep the mask of the forward pass, or the seed to draw it again",
    ),
    cause_of(
        ["gradient.linear"],
        "the gradient is not linear in dy",
        "units are multiplied by different factors, depending on the size or sign of dy",
        "multiply dy by mask and scale, in the type of dy, and by nothing else",
    ),
    cause_of(
        ["gradient.dy_unchanged"],
        "the backward pass writes into the gradient that it is handed",
        "dy is different after the call, so every other branch that receives it goes wrong",
        "write dy * mask * scale into a new array",
    ),
    cause_of(
        ["gradient.evaluation"],
        "the mode does not reach the backward pass",
        "evaluation is differentiated as if it were training, or with another scale",
        "multiply dy by 1 (inverted) or by 1 - rate (test-scaled) in evaluation",
    ),
    cause_of(
        ["randomness.fresh"],
        "something sets the generator back",
        "a mask comes back after a call of another kind, though calls in a row draw new masks",
        "draw from one generator that lives across calls; never seed inside a call",
    ),
    cause_of(
        ["randomness.seed_repeats"],
        "the seed does not determine the noise",
        "the same seed or key gave other masks the second time: they depend on something else",
        "draw only from a generator that the seed sets, each unit by its place, not by the "
        "thread that works on it",
    ),
    cause_of(
        ["randomness.seeds_differ"],
        "the seed is a place in one sequence",
        "the masks of a seed are those of its neighbour from a later unit, or a later call, on",
        "make a sequence of its own of each seed; do not add a counter to it, or pass draws over",
        looks=["parts of one sequence"],
    ),
    cause_of(
        ["randomness.seeds_differ"],
        "the seed is cut short",
        "different seeds or keys give the same mask",
        "use every bit of it",
    ),
    cause_of(
        ["randomness.seed_is_read"],
        "the seed is read once",
        "a change of the seed or key has no effect, or none that can be undone",
        "make the generator anew whenever the seed is set",
    ),
    cause_of(
        ["randomness.host_generators"],
        "a generator of the whole program is touched",
        "a call changes the state of a global generator that it has no business with",
        "draw from a generator of your own, and never seed a global one in a call",
    ),
    cause_of(
        ["randomness.idle"],
        "randomness is used up where nothing is dropped",
        "evaluation, or training at rate 0, advances the generator, though none is declared to",
        "return before anything is drawn",
    ),
    cause_of(
        ["randomness.threads"],
        "threads draw the same noise",
        "calls that run at the same time in several threads return the same masks",
        "give each thread a stream of its own, or draw under a lock",
    ),
    cause_of(
        ["randomness.forks"],
        "forked processes draw the same noise",
        "a child process goes on from a copy of its parent's generator",
        "reseed after a fork, or derive the seed from the number of the worker",
    ),
)
