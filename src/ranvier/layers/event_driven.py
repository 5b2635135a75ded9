"""A trained network made ready for event-driven inference on a CPU."""

import copy
import itertools
from collections import Counter

from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from ranvier.kernels import gather
from ranvier.layers.stack import PerStep, Stack


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

    A `nn.BatchNorm2d` that directly follows a convolution in a `Stack` or `nn.Sequential` is folded into its weights.
    Outputs agree with `net.eval()` within float rounding; a membrane within rounding of its threshold may fire
    differently. `net` itself is left as it is. The copy has no gradients, and keeps the module names, so that a
    carry saved by name fits both. Subclasses of the two layers, paddings given by name or filled with anything but
    zeros, and layers with hooks stay what they are.

    >>> import torch
    >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> fast = event_driven(net)
    >>> torch.allclose(fast(torch.ones(1, 4)), net(torch.ones(1, 4)), atol=1e-6)
    True
    """
    net = copy.deepcopy(net).eval().requires_grad_(False)
    uses = Counter(child for module in net.modules() for child in module._modules.values() if child is not None)
    for module in list(net.modules()):
        if isinstance(module, (nn.Sequential, Stack)):
            _fold_batch_norms(module, uses)
    replaced: dict[nn.Module, nn.Module] = {}
    for module in list(net.modules()):
        for name, child in module._modules.items():
            if child is not None:
                if child not in replaced:
                    replaced[child] = _event_driven_layer(child)
                module._modules[name] = replaced[child]
    return _event_driven_layer(net)


def _event_driven_layer(module: nn.Module) -> nn.Module:
    if _has_hooks(module):
        return module
    if type(module) is nn.Linear:
        return EventLinear(module)
    if type(module) is nn.Conv2d and module.padding_mode == "zeros" and not isinstance(module.padding, str):
        return EventConv2d(module)
    return module


def _fold_batch_norms(chain: nn.Module, uses: Counter[nn.Module]) -> None:
    for name, following in itertools.pairwise(chain._modules):
        conv, norm = chain._modules[name], chain._modules[following]
        if type(norm) is PerStep:
            norm = norm.module  # in evaluation mode every step has the same statistics
        if type(conv) is not nn.Conv2d or type(norm) is not nn.BatchNorm2d:
            continue
        # A convolution with another place in the network would carry this place's statistics there.
        if uses[conv] > 1 or _has_hooks(conv) or _has_hooks(norm):
            continue
        if norm.running_mean is not None and norm.running_var is not None:
            conv.weight, conv.bias = fuse_conv_bn_weights(
                conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
            )
            chain._modules[following] = nn.Identity()


def _has_hooks(module: nn.Module) -> bool:
    return bool(module._forward_hooks or module._forward_pre_hooks)


def _frozen(layer: nn.Linear | nn.Conv2d) -> tuple[nn.Parameter, nn.Parameter | None]:
    weight = nn.Parameter(gather.prepare(layer.weight.detach()), requires_grad=False)
    return weight, None if layer.bias is None else nn.Parameter(layer.bias.detach(), requires_grad=False)
