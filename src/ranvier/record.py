"""Looks at the spikes inside a network."""

from typing import Any

import torch
from torch import Tensor, nn

from ranvier.carry import Temporal


def record(net: nn.Module, x: Tensor, *, lengths: Tensor | None = None) -> tuple[Tensor, dict[str, Tensor]]:
    """Return `net(x)` and, by module name, what each layer with memory said: `[T, B, ...]`.

    `lengths` are passed on to a network that asks for them. Runs in the mode that the network is in, without gradients;
    no hook is left behind.
    """
    said: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        def hook(module: nn.Module, inputs: tuple[Any, ...], y: Any) -> None:
            said[name] = y[0] if isinstance(y, tuple) else y

        return hook

    handles = [m.register_forward_hook(keep(name)) for name, m in net.named_modules() if owns_memory(m)]
    try:
        with torch.no_grad():
            y = net(x) if lengths is None else net(x, lengths=lengths)
    finally:
        for handle in handles:
            handle.remove()
    return y, said


def owns_memory(module: nn.Module) -> bool:
    """Whether `module` is a temporal module with state of its own, such as a layer of neurons."""
    return isinstance(module, Temporal) and type(module).rest is not Temporal.rest
