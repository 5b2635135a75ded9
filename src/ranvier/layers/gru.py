"""The gated recurrent unit, whole sequences at a time."""

import torch
from torch import Tensor, nn

from ranvier.carry import Carry, State, Temporal


class GRU(Temporal):
    """Gated recurrent units, one or several layers, by PyTorch's own kernel.

        r, z = sigmoid(W x + b + U h[t-1] + c)             two gates, each with weights of its own
        n    = tanh(W x + b + r * (U h[t-1] + c))          weights of its own too
        h[t] = (1 - z) * n + z * h[t-1]

    What a layer computes is the input of the next; the last layer answers. Parameters have the names that they have in
    `torch.nn.GRU`, and start as there: uniform within 1 / sqrt(width).

    Args:
        in_features: inputs of a step, i.
        width: units of a layer, d.
        layers: one on top of the other.
        dropout: share of what goes from one layer to the next that training silences.

    Shapes: `[T, B, i]` to `[T, B, d]`. Parameters: 3 d (i + d) + 6 d for a layer. State of a lane: d numbers a layer.

    Source: Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder", EMNLP 2014, in the form of cuDNN.

    >>> net = GRU(64, 64, layers=2)
    >>> sum(p.numel() for p in net.parameters())
    49920
    >>> net(torch.zeros(50, 3, 64)).shape
    torch.Size([50, 3, 64])
    """

    def __init__(self, in_features: int, width: int, *, layers: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        self.in_features, self.width, self.layers, self.dropout = in_features, width, layers, dropout
        # The modules of torch would break a compiled graph in two, their parameters and function do not.
        for name, parameter in nn.GRU(in_features, width, layers).named_parameters():
            self.register_parameter(name, parameter)

    @property
    def macs(self) -> int:
        """Multiplications for one value of the output, those of the layers below among them."""
        inputs = self.in_features + (self.layers - 1) * self.width
        return 3 * (inputs + self.layers * self.width) + 3 * self.layers

    def rest(self, batch: int, like: Tensor) -> State:
        return {"h": like.new_zeros(batch, self.layers, self.width)}

    def forward(self, x: Tensor, carry: Carry | None = None) -> Tensor:
        """Return `[T, B, d]` for `[T, B, i]`; computed in the type of the weights, also within autocast.

        Raises:
            ValueError: `x` has other features.
        """
        if x.ndim != 3 or x.shape[2] != self.in_features:
            raise ValueError(f"expected [time, batch, {self.in_features} features], got {tuple(x.shape)}")
        weights: list[Tensor] = list(self.parameters())
        state = None if carry is None else carry.read(self, x)
        with torch.autocast(x.device.type, enabled=False):
            inputs = x.to(weights[0].dtype)
            h = (state or self.rest(x.shape[1], inputs))["h"].transpose(0, 1).contiguous()
            if len(x):
                dropout = self.dropout if self.layers > 1 else 0.0
                y, h = torch.gru(inputs, h, weights, True, self.layers, dropout, self.training, False, False)
            else:  # torch refuses a sequence without a step
                y = inputs.new_empty(0, x.shape[1], self.width)
        if carry is not None:
            carry.write(self, {"h": h.transpose(0, 1)})
        return y.to(x.dtype)

    def extra_repr(self) -> str:
        return f"{self.in_features} inputs, {self.layers} layers of {self.width}"
