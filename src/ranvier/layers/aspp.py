"""Spatial pyramid pooling that spikes: one map seen at several widths at once."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ranvier.carry import Carry, Temporal
from ranvier.layers.blocks import Norm, conv_block
from ranvier.layers.stack import Stack, join


class ASPP(Temporal):
    """Atrous spatial pyramid pooling (Chen et al. 2017) in which every layer fires (SpikingEDN, Zhang et al.).

        y = mix([point(x), dilated_1(x), ..., dilated_n(x), whole(x)])

    `point` and `mix` are 1x1 convolutions, `dilated_i` are 3x3 ones; `whole` averages the map, fires, convolves the one
    place that is left and repeats it everywhere. A norm and a neuron follow each convolution: all of them pass spikes.

    Args:
        depth: channels of every branch and of the output.
        neuron: makes one layer of neurons.
        dilations: distance in pixels between the taps of each 3x3 branch.
        momentum: of the batch norms' running statistics; the published 3e-4 needs thousands of batches to settle.

    Shapes: `[T, B, in_channels, H, W]` to `[T, B, depth, H, W]`.

    >>> from ranvier.neurons import LIF
    >>> pool = ASPP(4, 8, lambda: LIF(decay=0.2, v_threshold=0.5), dilations=(1, 2))
    >>> pool(torch.ones(3, 2, 4, 7, 5)).shape
    torch.Size([3, 2, 8, 7, 5])
    """

    def __init__(
        self,
        in_channels: int,
        depth: int,
        neuron: Callable[[], nn.Module],
        *,
        dilations: Sequence[int] = (6, 12, 18),
        norm: Norm = "batch",
        momentum: float = 3e-4,
    ) -> None:
        super().__init__()

        def block(channels: int, kernel_size: int = 1, dilation: int = 1) -> Stack:
            return conv_block(
                channels,
                depth,
                neuron(),
                kernel_size=kernel_size,
                dilation=dilation,
                norm=norm,
                momentum=momentum,
            )

        self.point = block(in_channels)
        self.dilated = nn.ModuleList(block(in_channels, 3, dilation) for dilation in dilations)
        self.whole = Stack(nn.AdaptiveAvgPool2d(1), neuron(), *block(in_channels))
        self.mix = block((len(dilations) + 2) * depth)

    def forward(self, x: Tensor, carry: Carry | None = None) -> Tensor:
        """Return `[T, B, depth, H, W]` for input `[T, B, in_channels, H, W]`."""
        views = [branch(x, carry) for branch in (self.point, *self.dilated)]
        # Repeated in the memory order of the others: an expanded view would make `join` rearrange them all.
        views.append(torch.empty_like(views[0]).copy_(self.whole(x, carry)))
        return self.mix(join(views), carry)
