"""Finds the layer at which numbers stopped being finite.

In a spiking network the loss can hide it: a membrane of NaN is not above its threshold, so it stays silent.
"""

from typing import Any

import torch
from torch import Tensor, nn


class _Found(Exception):
    """Carries the answer out of the forward pass."""


def first_nonfinite(net: nn.Module, x: Tensor) -> str | None:
    """Return the first thing in a forward pass of `net` on `x` that is not finite, in words, or `None`.

    Weights are looked at before the output of their layer, so that a broken update is told from an overflow.
    """
    if not _finite(x):
        return "the input"

    def hook(name: str):
        def look(module: nn.Module, inputs: tuple[Any, ...], y: Any) -> None:
            kind = type(module).__name__
            for weight, tensor in module.named_parameters(recurse=False):
                if not _finite(tensor):
                    raise _Found(f"the parameter {weight!r} of layer {name!r} ({kind})")
            if not _finite(y[0] if isinstance(y, tuple) else y):
                raise _Found(f"the output of layer {name!r} ({kind})")

        return look

    leaves = [(name, module) for name, module in net.named_modules() if not any(module.children())]
    handles = [module.register_forward_hook(hook(name)) for name, module in leaves]
    try:
        with torch.no_grad():
            net(x)
    except _Found as found:
        return str(found)
    finally:
        for handle in handles:
            handle.remove()
    return None


def _finite(tensor: Tensor) -> bool:
    return bool(torch.isfinite(tensor).all())
