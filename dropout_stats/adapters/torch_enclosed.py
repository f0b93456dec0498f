"""Layers of PyTorch that drop inside themselves: which of them a model holds."""

from __future__ import annotations

from typing import Any

import torch

from dropout_stats.adapters.looking import Enclosed

_KINDS = (torch.nn.MultiheadAttention, torch.nn.RNN, torch.nn.LSTM, torch.nn.GRU)


def enclosed_in(model: torch.nn.Module) -> dict[str, Enclosed]:
    """Those that drop, by name."""
    return {
        name: Enclosed(float(layer.dropout), f"torch.nn:{kind.__name__}")
        for name, layer in model.named_modules()
        for kind in _KINDS
        if isinstance(layer, kind) and _drops(layer)
    }


def _drops(layer: Any) -> bool:
    """Whether it has a rate, and the place for it: there is none behind the last of a stack."""
    return layer.dropout > 0 and getattr(layer, "num_layers", 2) > 1
