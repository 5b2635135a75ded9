"""Frames that steer what events say: spiking spatially-adaptive modulation."""

from typing import Literal, get_args

from torch import Tensor, nn

from ranvier.carry import Carry, Temporal
from ranvier.layers.blocks import Norm, conv_block
from ranvier.layers.stack import Stack, fold_time, join

Modulation = Literal["add", "scale", "scale_shift"]


class Product(nn.Module):
    """y = a b of two activations: a module, so that an audit sees the one place where a spiking network multiplies."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the product of two tensors of one shape."""
        return a * b


class SSAM(Temporal):
    """The dual-path stem: a frame says at every place how the events there are to be read (SpikingEDN, Zhang et al.).

        e = BN(conv1x1(events)),   h = frame_neuron(BN(conv3x3(frame)))
        g = [conv_d(h) for d = 1, 2, 3, 4]          3x3 with dilation d, a quarter of the channels each
        s = neuron(e + g)                           "add", the paper's best: no two activations are multiplied
        s = neuron(e (1 + g))                       "scale"
        s = neuron(e (1 + g) + conv3x3(h))          "scale_shift", the form of SPADE (Park et al. 2019)

    Args:
        frame_channels: channels of the frame, which come before those of the events; 0: the events modulate themselves.
        event_channels: channels of the events.
        channels: width of both paths and of the output, at least 4.
        neuron: fires where the paths have met.
        frame_neuron: fires in the frame's path; `LIF(decay=0.0)` follows the frame without memory.
        modulation: how the frame acts on the events, see the equations.
        norm: of both paths, see `conv_block`.

    Shapes: `[T, B, frame_channels + event_channels, H, W]` to `[T, B, channels, H, W]`.

    Raises:
        ValueError: an unknown modulation, or fewer than 4 channels.

    >>> import torch
    >>> from ranvier.neurons import LIF
    >>> stem = SSAM(1, 5, 8, LIF(decay=0.2, v_threshold=0.3), LIF(decay=0.0, v_threshold=0.5))
    >>> stem(torch.ones(3, 2, 6, 7, 5)).shape
    torch.Size([3, 2, 8, 7, 5])
    """

    def __init__(
        self,
        frame_channels: int,
        event_channels: int,
        channels: int,
        neuron: nn.Module,
        frame_neuron: nn.Module,
        *,
        modulation: Modulation = "add",
        norm: Norm = "batch",
    ) -> None:
        super().__init__()
        if modulation not in get_args(Modulation):
            raise ValueError(f"expected a modulation of {', '.join(get_args(Modulation))}, got {modulation!r}")
        if channels < 4:
            raise ValueError(f"expected at least 4 channels, one for each dilation, got {channels}")
        self.frame_channels, self.event_channels = frame_channels, event_channels
        self.events = conv_block(event_channels, channels, None, kernel_size=1, norm=norm)
        # The bias is undone by the norm; it is kept because published parameter counts hold it.
        self.frame = conv_block(frame_channels or event_channels, channels, frame_neuron, norm=norm, bias=True)
        self.gamma = nn.ModuleList(
            nn.Conv2d(channels, (channels + d - 1) // 4, 3, padding=d, dilation=d) for d in (1, 2, 3, 4)
        )
        self.product = Product() if modulation != "add" else None
        self.beta = nn.Conv2d(channels, channels, 3, padding=1) if modulation == "scale_shift" else None
        self.neuron = Stack(neuron)

    def forward(self, x: Tensor, carry: Carry | None = None) -> Tensor:
        """Return what fires, `[T, B, channels, H, W]`, for frame and events `[T, B, frame + event channels, H, W]`."""
        if x.ndim != 5 or x.shape[2] != self.frame_channels + self.event_channels:
            raise ValueError(
                f"expected [time, batch, {self.frame_channels} frame and {self.event_channels} event channels, height, "
                f"width], got {tuple(x.shape)}"
            )
        events = x[:, :, self.frame_channels :]
        frame = x[:, :, : self.frame_channels] if self.frame_channels else events
        h = self.frame(frame, carry)
        g = join([fold_time(conv, h) for conv in self.gamma])
        e = self.events(events, carry)
        met = e + g if self.product is None else self.product(e, 1 + g)
        return self.neuron(met if self.beta is None else met + fold_time(self.beta, h), carry)
