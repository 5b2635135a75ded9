"""A feature pyramid: what the deepest layers know reaches the finer ones."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from ranvier.carry import Carry, Temporal
from ranvier.layers.blocks import Norm, conv_block
from ranvier.layers.resize import resize
from ranvier.layers.stack import join


class Pyramid(Temporal):
    """Blocks of convolution, norm and neurons from the coarsest features to the finest (SpikeFPN).

        merged_l = block_1x1([features_l, up_l+1])    half the channels of features_l
        up_l     = block_1x1(merged_l)                a quarter, then nearest to the next finer resolution
        y_l      = block_3x3(merged_l)                as many as features_l

    Args:
        channels: of the features, the finest first.
        neuron: makes the neurons of one block.
        norm, bias: of the convolutions, see `conv_block`.

    Source: Zhang et al., IEEE TCDS 2024; Lin et al., CVPR 2017.
    """

    def __init__(
        self,
        channels: Sequence[int],
        *,
        neuron: Callable[[], nn.Module],
        norm: Norm = "batch",
        bias: bool = False,
    ) -> None:
        super().__init__()

        def block(in_channels: int, out_channels: int, kernel_size: int) -> nn.Module:
            return conv_block(in_channels, out_channels, neuron(), kernel_size=kernel_size, norm=norm, bias=bias)

        above = [c // 4 for c in channels[1:]] + [0]
        self.merge = nn.ModuleList(block(c + up, c // 2, 1) for c, up in zip(channels, above, strict=True))
        self.up = nn.ModuleList(block(c // 2, c // 4, 1) for c in channels[1:])
        self.smooth = nn.ModuleList(block(c // 2, c, 3) for c in channels)

    def forward(self, x: Sequence[Tensor], carry: Carry | None = None) -> list[Tensor]:
        """Return features `[T, B, C, H, W]` of the same shapes, the finest first as they came."""
        merged = self.merge[-1](x[-1], carry)
        y = [self.smooth[-1](merged, carry)]
        for level in range(len(x) - 2, -1, -1):
            up = resize(self.up[level](merged, carry), x[level].shape[-2:])
            merged = self.merge[level](join((x[level], up)), carry)
            y.append(self.smooth[level](merged, carry))
        return y[::-1]
