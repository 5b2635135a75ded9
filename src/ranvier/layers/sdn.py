"""The surrogate dynamic network (SDN): predicts the membrane of a spiking neuron, all steps at once, by convolutions.

A leaky integrate-and-fire neuron with a hard reset to 0 is a recurrence through what is left of its membrane when the
current of a step arrives, m[t] = tau v_post[t-1]. The network predicts m from the currents before t; the spikes of a
neuron with threshold 1 then are H(m[t] + x[t] - 1).

    h[0] = e x                                       one current to d channels
    z[l] = relu(norm(depthwise[l] * h[l-1] + a[l]))  over k steps: for l = 1 those before t, else up to t
    h[l] = relu(norm(mix[l] z[l] + b[l]) + z[l])     the channels of one step
    m    = r h[L] + c

Source: Shen et al., "SpikingSSMs: Learning Long Sequences with Sparse and Parallel Spiking State Space Models", AAAI
2025. Published: d = k = 8 and one layer, 193 parameters.
"""

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ranvier.carry import Carry, State, Temporal

# Signals times steps whose channels, 8 of 4 bytes, stay in the cache of a core from one matrix product to the next.
BLOCK = 1 << 14


class Windowed(Temporal):
    """What the two forms of the network remember: the window that each layer looks back on.

    That is k currents, and k - 1 steps of the channels before every further layer. A stream starts from zeros there,
    which is how the published network pads. In front of the first layer they mean that no current flowed; in front of a
    further one they mean silent channels, and not what the layers below would have made of no current.
    """

    def __init__(self, *, width: int, kernel_size: int, depth: int) -> None:
        super().__init__()
        self.width = width
        self.kernel_size = kernel_size
        self.depth = depth

    def rest(self, batch: int, like: Tensor) -> State:
        """Return windows of zeros for `batch` lanes, like currents or a stored window `[B, signals, ...]`."""
        signals = like.shape[1]
        windows = {"x": like.new_zeros(batch, signals, self.kernel_size)}
        for i in range(1, self.depth):
            windows[f"h{i}"] = like.new_zeros(batch, signals, self.width, self.kernel_size - 1)
        return windows

    def forward(self, x: Tensor, carry: Carry | None = None) -> Tensor:
        """Return m `[T, B, ...]` for currents `[T, B, ...]`.

        Raises:
            ValueError: `x` has no time and batch axes.
        """
        if x.ndim < 2:
            raise ValueError(f"expected [time, batch, ...], got {tuple(x.shape)}: add a batch axis with x.unsqueeze(1)")
        steps, batch = x.shape[:2]
        if not steps:
            return torch.zeros_like(x)  # a convolution needs a step
        currents = x.reshape(steps, batch, math.prod(x.shape[2:]))
        state = carry.read(self, x) if carry is not None else None
        m, windows = self.predict(currents, state or self.rest(batch, currents[0]))
        if carry is not None:
            carry.write(self, windows)
        return m.reshape(x.shape)

    def predict(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Return m `[T, B, N]` for currents `[T, B, N]` after the windows in `state`, and the windows after them."""
        raise NotImplementedError


class SDN(Windowed):
    """Predicts m[t] = tau v_post[t-1] for currents `[T, B, ...]`, each lane and feature a signal of its own.

    Args:
        width: channels d.
        kernel_size: steps k that a layer sees.
        layers: depth L; m[t] depends on the L (k - 1) + 1 currents before t.

    >>> net = SDN()
    >>> sum(p.numel() for p in net.parameters())
    193
    >>> net(torch.zeros(100, 4, 16)).shape
    torch.Size([100, 4, 16])
    """

    def __init__(self, *, width: int = 8, kernel_size: int = 8, layers: int = 1) -> None:
        super().__init__(width=width, kernel_size=kernel_size, depth=layers)
        self.encoder = nn.Conv1d(1, width, 1, bias=False)
        self.layers = nn.ModuleList(Layer(width, kernel_size) for _ in range(layers))
        self.decoder = nn.Conv1d(width, 1, 1)

    def predict(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        steps, lanes = x.shape[0], x.shape[1:]
        seen = torch.cat((state["x"], x.permute(1, 2, 0)), -1)
        windows = {"x": _copy(seen[..., steps:])}
        # The last current has no say in the last membrane, which is the one that it meets.
        h = self.encoder(seen[..., :-1].flatten(0, 1).unsqueeze(1))
        for i, layer in enumerate(self.layers):
            if i:
                h = torch.cat((state[f"h{i}"].flatten(0, 1), h), -1)
                windows[f"h{i}"] = _copy(h[..., steps:]).unflatten(0, lanes)
            h = layer(h)
        return self.decoder(h).squeeze(1).t().unflatten(1, lanes), windows


class Layer(nn.Module):
    """`[signals, d, k - 1 + T]` to `[signals, d, T]`: a depthwise convolution over time, then a mix of the channels."""

    def __init__(self, width: int, kernel_size: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(width, width, kernel_size, groups=width)
        self.depthwise_norm = nn.BatchNorm1d(width)
        self.mix = nn.Conv1d(width, width, 1)
        self.mix_norm = nn.BatchNorm1d(width)

    def forward(self, h: Tensor) -> Tensor:
        z = F.relu(self.depthwise_norm(self.depthwise(h)))
        return F.relu(self.mix_norm(self.mix(z)) + z)


def reparameterised(sdn: SDN) -> "Reparameterised":
    """Return a frozen copy of `sdn` for inference, with as few operations as compute the same.

    >>> net = SDN().eval()
    >>> x = torch.randn(50, 2, 3)
    >>> torch.allclose(reparameterised(net)(x), net(x), atol=1e-6)
    True
    """
    return Reparameterised(sdn)


class Reparameterised(Windowed):
    """An `SDN` in evaluation mode, folded in float64: two matrices a layer, and their biases.

    Encoder and first depthwise convolution become one convolution of k steps, batch norms go into the convolutions
    before them, and the path around each mix into its diagonal:

        relu(g (W z + b - mean) + beta + z) = relu((g W + 1) z + g (b - mean) + beta),   g = gamma / sqrt(var + eps)

    With time first, the k steps before t of all signals are the rows of a matrix as they lie in memory: each step is a
    product of small matrices with a long one, and nothing is copied. Carries by name fit both forms. This form is made
    for a processor core; a GPU prefers the few large convolutions of `SDN`.
    """

    decode: Tensor
    decode_bias: Tensor

    def __init__(self, sdn: SDN) -> None:
        super().__init__(width=sdn.width, kernel_size=sdn.kernel_size, depth=sdn.depth)
        dtype = sdn.decoder.weight.dtype

        def keep(name: str, value: Tensor) -> None:
            # What it was made of is what is saved.
            self.register_buffer(name, value.detach().to(dtype, copy=True), persistent=False)

        for i, layer in enumerate(sdn.layers):
            assert isinstance(layer, Layer)
            taps, bias = _folded(layer.depthwise, layer.depthwise_norm)
            # The first layer makes all its channels of one current, a further one each channel of itself.
            keep(f"taps{i}", taps[:, None] if i else (sdn.encoder.weight.double()[:, 0] * taps)[None])
            keep(f"bias{i}", bias[:, None])
            mix, bias = _folded(layer.mix, layer.mix_norm)
            keep(f"mix{i}", mix + torch.eye(sdn.width, dtype=mix.dtype, device=mix.device))
            keep(f"mix_bias{i}", bias[:, None])
        keep("decode", sdn.decoder.weight[..., 0])
        assert sdn.decoder.bias is not None
        keep("decode_bias", sdn.decoder.bias[:, None])

    def predict(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        steps, lanes = x.shape[0], x.shape[1:]
        h = torch.cat((state["x"].permute(2, 0, 1), x)).flatten(1)
        windows = {"x": _copy(h[steps:].unflatten(1, lanes).permute(1, 2, 0))}
        h = h[:-1].unsqueeze(1)
        for i in range(self.depth):
            if i:
                h = torch.cat((state[f"h{i}"].permute(3, 2, 0, 1).flatten(2), h))
                windows[f"h{i}"] = _copy(h[steps:].unflatten(2, lanes).permute(2, 3, 1, 0))
            h = torch.cat(list(self._layer(i, h)))
        return h.unflatten(2, lanes).squeeze(1), windows

    def _layer(self, i: int, h: Tensor) -> Iterator[Tensor]:
        """Yield what layer `i` makes of `[k - 1 + T, channels, signals]`, the last decoded, a few steps at a time."""
        # [T, channels, k, signals]: a view, and so is every block of it that a product reads.
        seen = h.unfold(0, self.kernel_size, 1).transpose(2, 3)
        taps, bias, mix, mix_bias = (getattr(self, f"{name}{i}") for name in ("taps", "bias", "mix", "mix_bias"))
        for block in seen.split(max(1, BLOCK // h.shape[2])):
            n = len(block)
            z = torch.bmm(taps.expand(n, -1, -1, -1).flatten(0, 1), block.flatten(0, 1))
            z = z.view(n, self.width, -1).add_(bias).relu_()
            z = torch.baddbmm(mix_bias, mix.expand(n, -1, -1), z).relu_()
            yield z if i < self.depth - 1 else torch.baddbmm(self.decode_bias, self.decode.expand(n, -1, -1), z)


def _copy(window: Tensor) -> Tensor:
    """Return a window in memory of its own: a view would keep the whole chunk alive."""
    return window.clone(memory_format=torch.contiguous_format)


def _folded(conv: nn.Conv1d, norm: nn.BatchNorm1d) -> tuple[Tensor, Tensor]:
    """Return weight `[d, inputs of an output]` and bias `[d]` of a convolution and the norm after it, in float64."""
    assert conv.bias is not None
    assert norm.running_mean is not None
    assert norm.running_var is not None
    gain = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
    weight = gain[:, None] * conv.weight.double().flatten(1)
    return weight, gain * (conv.bias.double() - norm.running_mean.double()) + norm.bias.double()
