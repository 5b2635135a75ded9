"""The blocks that convolutional spiking networks are made of."""

from typing import Literal

from torch import Tensor, nn

from ranvier.carry import Carry, Temporal
from ranvier.layers.stack import PerStep, Stack

Norm = Literal["batch", "per_step"] | None


def conv_block(
    in_channels: int,
    out_channels: int,
    neuron: nn.Module | None,
    *,
    kernel_size: int = 3,
    stride: int = 1,
    dilation: int = 1,
    norm: Norm = "batch",
    momentum: float = 0.1,
    bias: bool = False,
) -> Stack:
    """Return convolution, normalisation and neuron as one `Stack` on `[T, B, C, H, W]`, keeping H and W at stride 1.

    Args:
        neuron: what fires; `None` ends with the normalisation, for currents that are summed first.
        norm: "batch" normalises over all T*B samples, "per_step" over each step alone, `None` not at all.
        momentum: share of the running statistics that one call of the normalisation replaces.

    Raises:
        ValueError: an even kernel, which cannot keep the size.
    """
    if kernel_size % 2 == 0:
        raise ValueError(f"expected an odd kernel_size, got {kernel_size}")
    padding = dilation * (kernel_size // 2)
    conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, dilation, bias=bias or norm is None)
    modules: list[nn.Module] = [conv]
    if norm is not None:
        batch_norm = nn.BatchNorm2d(out_channels, momentum=momentum)
        modules.append(PerStep(batch_norm) if norm == "per_step" else batch_norm)
    if neuron is not None:
        modules.append(neuron)
    return Stack(*modules)


class Residual(Temporal):
    """y = body(x) + shortcut(x), the shortcut being the identity unless a module is given."""

    def __init__(self, *body: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.body = Stack(*body)
        self.shortcut = None if shortcut is None else Stack(shortcut)

    def forward(self, x: Tensor, carry: Carry | None = None) -> Tensor:
        """Return `[T, B, ...]` for input `[T, B, ...]`."""
        return self.body(x, carry) + (x if self.shortcut is None else self.shortcut(x, carry))
