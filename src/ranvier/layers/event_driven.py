"""A trained network made ready for event-driven inference on a CPU."""

from torch import Tensor, nn

from ranvier.kernels import gather
from ranvier.layers.fold import folded, has_hooks, replace_modules


class EventLinear(nn.Linear):
    """A frozen linear layer that sums the weight rows of active inputs where that is faster."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__(layer.in_features, layer.out_features, layer.bias is not None, device="meta")
        self.weight, self.bias = _frozen(layer)

    def forward(self, input: Tensor) -> Tensor:
        """Return `[..., out_features]` for `[..., in_features]`; see `ranvier.kernels.gather.linear`."""
        return gather.linear(input, self.weight, self.bias)


class EventConv2d(nn.Conv2d):
    """A frozen convolution layer that sums the weight rows of active inputs where that is faster."""

    def __init__(self, layer: nn.Conv2d) -> None:
        super().__init__(
            layer.in_channels,
            layer.out_channels,
            layer.kernel_size,  # type: ignore[arg-type]
            layer.stride,  # type: ignore[arg-type]
            layer.padding,  # type: ignore[arg-type]
            layer.dilation,  # type: ignore[arg-type]
            layer.groups,
            layer.bias is not None,
            device="meta",
        )
        self.weight, self.bias = _frozen(layer)

    def forward(self, input: Tensor) -> Tensor:
        """Return `[N, out_channels, H_out, W_out]` for `[N, C, H, W]`; see `ranvier.kernels.gather.conv2d`."""
        return gather.conv2d(
            input,
            self.weight,
            self.bias,
            stride=self.stride,  # type: ignore[arg-type]
            padding=self.padding,  # type: ignore[arg-type]
            dilation=self.dilation,  # type: ignore[arg-type]
            groups=self.groups,
        )


def event_driven(net: nn.Module) -> nn.Module:
    """Return a frozen copy of `net` whose linear and convolution layers work from spike to spike.

    Every `nn.Linear` and `nn.Conv2d` decides for each input, by its batch, width and measured density, between the sum
    of the weight rows of its active inputs and the dense layer; a layer that sees anything but zeros and ones, as the
    first one often does, runs dense. `with ranvier.kernels.gather.trace() as calls:` reports what was decided.

    Batch norms are part of the convolutions as `folded` describes, with what it says about outputs, gradients and
    names. Subclasses of the two layers, paddings given by name or filled with anything but zeros, and layers with hooks
    stay what they are.

    >>> import torch
    >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> fast = event_driven(net)
    >>> torch.allclose(fast(torch.ones(1, 4)), net(torch.ones(1, 4)), atol=1e-6)
    True
    """
    return replace_modules(folded(net), _event_driven_layer)


def _event_driven_layer(module: nn.Module) -> nn.Module:
    if has_hooks(module):
        return module
    if type(module) is nn.Linear:
        return EventLinear(module)
    if type(module) is nn.Conv2d and module.padding_mode == "zeros" and not isinstance(module.padding, str):
        return EventConv2d(module)
    return module


def _frozen(layer: nn.Linear | nn.Conv2d) -> tuple[nn.Parameter, nn.Parameter | None]:
    weight = nn.Parameter(gather.prepare(layer.weight.detach()), requires_grad=False)
    return weight, None if layer.bias is None else nn.Parameter(layer.bias.detach(), requires_grad=False)
