"""What computes the answer to one bin: the network as it is, or a faster version of it that remembers the same."""

import functools
from collections.abc import Callable, Mapping
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ranvier.carry import Carry
from ranvier.kernels import native
from ranvier.models.decoder import NeuralDecoder
from ranvier.stream.fused import FusedEngine


class Engine(Protocol):
    """A decoder with its memory inside: one bin in, one answer out.

    Its memory goes by the names of `Carry.state_dict(net)`, so that one engine goes on where another one stopped; at
    rest it may be empty.
    """

    def push(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the answer `[outputs]` to counts `[channels]`, and remember them; the answer is the caller's."""
        ...

    def rest(self) -> None:
        """Forget everything."""
        ...

    def memory(self) -> dict[str, Tensor]:
        """Return what is remembered."""
        ...

    def load(self, memory: Mapping[str, Tensor]) -> None:
        """Remember what `memory` returned."""
        ...


class TorchEngine:
    """The network itself, called with one step and a carry."""

    def __init__(self, net: NeuralDecoder, day: int | None) -> None:
        self._net, self._day, self._carry = net, day, Carry()
        self._x = torch.zeros(1, 1, len(net.x_mean))
        self._counts = self._x.numpy()[0, 0]

    def push(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        self._counts[:] = x
        with torch.inference_mode():
            y = self._net(self._x, self._carry, day=self._day)
        return y.numpy()[0, 0]

    def rest(self) -> None:
        self._carry.reset()

    def memory(self) -> dict[str, Tensor]:
        return self._carry.state_dict(self._net)

    def load(self, memory: Mapping[str, Tensor]) -> None:
        self._carry.load_state_dict(self._net, memory)


EngineName = Literal["auto", "fused", "fused-int8", "torch"]
ENGINES: dict[str, Callable[[NeuralDecoder, int | None], Engine]] = {
    "fused": FusedEngine,
    "fused-int8": functools.partial(FusedEngine, weights="int8"),
    "torch": TorchEngine,
}
"""Makes an engine of a network and a day."""


def fastest() -> EngineName:
    """Return what "auto" means here: of the engines that round nothing away, the fastest."""
    return "torch" if native.library() is None else "fused"
