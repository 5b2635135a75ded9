"""The fused engine: a whole decoder stepped by one call of C."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ranvier.kernels.step import Program, Weights
from ranvier.models.decoder import NeuralDecoder, of_day
from ranvier.stream.compile import PLACE, compiled


class FusedEngine:
    """A decoder of one lane, written down as a program when it is made and run once for each bin.

    Its answers are those of the network within 1e-5 of the largest; a neuron so close to its threshold may fire where
    it did not. What the network learns later it does not see.

    Args:
        net: in evaluation mode.
        day: recording day of the adapter; `None` where there is but one.
        weights: "int8" reads a quarter of the bytes, for answers within a few per cent; see `ranvier.kernels.step`.

    Raises:
        TypeError: a layer that has no fused step.
        RuntimeError: there is no C library here.

    >>> from ranvier.recipes import Decoder
    >>> engine = FusedEngine(NeuralDecoder(Decoder(in_channels=3, width=8)).eval(), None)
    >>> engine.push(np.ones(3, np.float32)).shape
    (2,)
    """

    def __init__(self, net: NeuralDecoder, day: int | None, *, weights: Weights = "float32") -> None:
        net = of_day(net, day or 0)
        self.program, x = Program(weights), torch.zeros(len(net.x_mean))
        y, memory = compiled(net, self.program, x)
        names = {module: name for name, module in net.named_modules()}
        self._x, self._y = x.numpy(), y.numpy()
        self._memory = {f"{names[layer]}.{name}": kept for layer, own in memory.items() for name, kept in own.items()}
        self._rest = {name: kept.clone() for name, kept in self._memory.items()}

    def push(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        self._x[:] = x
        self.program.run()
        return self._y.copy()

    def rest(self) -> None:
        for name, kept in self._memory.items():
            kept.copy_(self._rest[name])

    def memory(self) -> dict[str, Tensor]:
        remembered = {name: kept.clone() for name, kept in self._memory.items()}
        for name in [name for name in remembered if name.endswith(f".{PLACE}")]:
            place = int(remembered.pop(name))
            ring = name.removesuffix(PLACE) + "kv"
            remembered[ring] = remembered[ring].roll(-place, 1)
        return remembered

    def load(self, memory: Mapping[str, Tensor]) -> None:
        self.rest()
        for name, tensor in memory.items():
            self._memory[name].copy_(tensor)
