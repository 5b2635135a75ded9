"""The most memory that the tensors of one forward hold at the same time."""

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ranvier.audit.count import evaluation


def peak_memory(net: nn.Module, x: Tensor) -> int:
    """Return the peak of live bytes that `net(x)` allocates in evaluation mode, beside parameters and `x`.

    Counted by the life of every tensor storage, so it is exact, repeatable and the same on every allocator; scratch
    memory inside a kernel is not seen.

    >>> peak_memory(nn.ReLU(), torch.zeros(4, 1, 8))
    128
    """
    with evaluation(net), torch.no_grad():
        return live_memory(lambda: net(x))


def live_memory(call: Callable[[], Any]) -> int:
    """Return the peak of live bytes that `call()` allocates, counted as in `peak_memory`."""
    with _Live() as live:
        call()
    return live.peak


class _Live(TorchDispatchMode):
    """Sums the bytes of the storages that came to life inside and are still alive."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: weakref.WeakSet[torch.UntypedStorage] = weakref.WeakSet()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for tensor in tree_leaves((args, kwargs)):
            if isinstance(tensor, Tensor):
                # What arrives from outside was not allocated here, and neither is a view of it.
                self._known.add(tensor.untyped_storage())
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self._born(tensor.untyped_storage())
        return result

    def _born(self, storage: torch.UntypedStorage) -> None:
        if storage in self._known:
            return
        self._known.add(storage)
        size = storage.nbytes()
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._died, size)

    def _died(self, size: int) -> None:
        self.now -= size
