"""The cell that an architecture search found, and the chain of its copies over several resolutions."""

from collections.abc import Callable

from torch import Tensor, nn

from ranvier.carry import Carry, Temporal
from ranvier.genotype import Genotype, Operation
from ranvier.layers.blocks import Norm, conv_block
from ranvier.layers.resize import Resize, resize, scaled
from ranvier.layers.stack import Stack, join


class Cell(Temporal):
    """One copy of a genotype's cell, at one level of resolution.

        s_i = neuron(BN(Conv(source)) + BN(Conv(other source)))     for the two edges into node i
        y   = the last `blocks` of s_0, s_1, ... side by side

    Both inputs are first brought to the cell's resolution. A "skip" passes another node's spikes on as they are; from
    an input, whose channels differ, it is a 3x3 convolution. A node has `filters` 2^level channels.

    Args:
        genotype: edges, number of nodes and filters.
        level: resolution of the cell; its input s1 has that of `from_level`.
        in_channels: of s0, the output of the cell before the last one, and of s1, the output of the last one.
        neuron: makes the neurons of one node.
        norm, bias: of the convolutions, see `conv_block`.
        resize: how inputs of another resolution are fitted; only "nearest" leaves spikes binary.

    Source: Che et al., NeurIPS 2022 (SpikeDHS).

    >>> import torch
    >>> from ranvier import genotype
    >>> from ranvier.neurons import LIF
    >>> cell = Cell(genotype.load("spikefpn"), 1, from_level=0, in_channels=(48, 96), neuron=lambda: LIF(decay=0.2))
    >>> cell((torch.rand(2, 1, 48, 16, 16), torch.rand(2, 1, 96, 8, 8))).shape
    torch.Size([2, 1, 192, 4, 4])
    """

    def __init__(
        self,
        genotype: Genotype,
        level: int,
        *,
        from_level: int,
        in_channels: tuple[int, int],
        neuron: Callable[[], nn.Module],
        norm: Norm = "batch",
        bias: bool = False,
        resize: Resize = "nearest",
    ) -> None:
        super().__init__()
        self.scale = 2.0 ** (from_level - level)
        self.blocks = genotype.blocks
        self.resize: Resize = resize
        width = genotype.filters * 2**level
        channels = [*in_channels, *[width] * genotype.nodes]
        readers: dict[tuple[int, int | None], list[int]] = {}
        for node in range(genotype.nodes):
            for source, operation in genotype.inputs(node):
                readers.setdefault((source, _kernel_size(source, operation)), []).append(node)
        self.edges = nn.ModuleList(
            _Edges(source, nodes, kernel_size, channels[source], width, norm, bias)
            for (source, kernel_size), nodes in readers.items()
        )
        self.neurons = nn.ModuleList(Stack(neuron()) for _ in range(genotype.nodes))

    def forward(self, x: tuple[Tensor, Tensor], carry: Carry | None = None) -> Tensor:
        """Return `[T, B, channels, H, W]` for s0 and s1, each `[T, B, C, H, W]` with its own C, H and W."""
        height, width = x[1].shape[-2:]
        size = scaled(height, self.scale), scaled(width, self.scale)
        values = [resize(source, size, mode=self.resize) for source in x]
        currents: list[list[Tensor]] = [[] for _ in self.neurons]
        for source in range(2 + len(self.neurons)):
            if source >= 2:
                first, second = currents[source - 2]
                values.append(self.neurons[source - 2](first + second, carry))
            for edges in self.edges:
                if edges.source == source:
                    for node, current in edges(values[source], carry).items():
                        currents[node].append(current)
        return join(values[-self.blocks :])


class Encoder(Temporal):
    """The cells of a genotype one after another, each reading the last two outputs; they follow the genotype's path.

    Args:
        genotype: the cell, and the level of each copy.
        in_channels: of the stem's two outputs, which are s0 and s1 of the first cell; the second has level 0.
        neuron, norm, bias, resize: see `Cell`.

    `levels` and `channels` say what the outputs are.
    """

    def __init__(
        self,
        genotype: Genotype,
        *,
        in_channels: tuple[int, int],
        neuron: Callable[[], nn.Module],
        norm: Norm = "batch",
        bias: bool = False,
        resize: Resize = "nearest",
    ) -> None:
        super().__init__()
        self.levels = genotype.path
        self.channels = tuple(genotype.channels(level) for level in self.levels)
        channels = (*in_channels, *self.channels)
        self.cells = nn.ModuleList(
            Cell(
                genotype,
                level,
                from_level=from_level,
                in_channels=(channels[i], channels[i + 1]),
                neuron=neuron,
                norm=norm,
                bias=bias,
                resize=resize,
            )
            for i, (from_level, level) in enumerate(zip((0, *self.levels), self.levels, strict=False))
        )

    def forward(self, x: tuple[Tensor, Tensor], carry: Carry | None = None) -> list[Tensor]:
        """Return the outputs of all cells, `[T, B, C, H, W]` each, for the stem's two outputs."""
        outputs = [*x]
        for cell in self.cells:
            outputs.append(cell((outputs[-2], outputs[-1]), carry))
        return outputs[2:]


class _Edges(Temporal):
    """The edges of one kernel size from one source to several nodes, side by side in one convolution.

    Narrow convolutions leave most lanes of a processor idle: three of 8 channels take twice as long as one of 24.
    """

    def __init__(
        self,
        source: int,
        nodes: list[int],
        kernel_size: int | None,
        in_channels: int,
        out_channels: int,
        norm: Norm,
        bias: bool,
    ) -> None:
        super().__init__()
        self.source = source
        self.nodes = nodes
        self.convolution = (
            None
            if kernel_size is None
            else conv_block(in_channels, out_channels * len(nodes), None, kernel_size=kernel_size, norm=norm, bias=bias)
        )

    def forward(self, x: Tensor, carry: Carry | None = None) -> dict[int, Tensor]:
        """Return the current `[T, B, C, H, W]` into each node."""
        if self.convolution is None:
            return dict.fromkeys(self.nodes, x)
        return dict(zip(self.nodes, self.convolution(x, carry).chunk(len(self.nodes), dim=2), strict=True))


def _kernel_size(source: int, operation: Operation) -> int | None:
    """Return what the edge convolves with, or `None` where it passes spikes on as they are."""
    if operation == "skip" and source > 1:
        return None
    return 5 if operation == "conv5x5" else 3
