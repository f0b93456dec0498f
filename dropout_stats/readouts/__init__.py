"""Dropout inside a layer: targets whose input is what the dropout acts on.

A layer that drops attention weights, connections or updates of a state hides them in sums. With
inputs that are chosen for it the sums have one term each, so that the layer gives its noise away:
nothing is recovered by fitting, and every check is asked as of a dropout that stands alone. Under
`Conventions(randomness="key")` the layer gets the keyword `key`, as `Target.train` does; what it
attends to must then have another name.
"""

from dropout_stats.readouts.attention import attention
from dropout_stats.readouts.dense import dense
from dropout_stats.readouts.dropconnect import dropconnect
from dropout_stats.readouts.recurrent import recurrent
from dropout_stats.readouts.zoneout import zoneout

__all__ = ["attention", "dense", "dropconnect", "recurrent", "zoneout"]
