"""A trained network made ready for inference: batch norms folded into weights, convolutions in half the bits."""

import copy
import itertools
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from ranvier.layers.spiking_ssm import SpikingS4D
from ranvier.layers.ssm import S4D
from ranvier.layers.stack import PerStep, Stack
from ranvier.neurons.neuron import Neuron


def folded(net: nn.Module, *, dtype: torch.dtype | None = None) -> nn.Module:
    """Return a frozen copy of `net` in which batch norms are part of the convolutions before them.

        BN(w * x + b) = (g w) * x + g (b - mean) + beta,   g = gamma / sqrt(var + eps)

    What a state-space layer computes from its parameters alone is computed once.

    A `nn.BatchNorm2d` is folded that directly follows a convolution in a `Stack` or `nn.Sequential`. Convolutions
    compute in channels-last order, which neurons keep and processors prefer. Outputs agree with `net.eval()` within
    float rounding; a membrane within rounding of its threshold may fire differently.

    With a `dtype` of 16 bits, convolution and linear layers hold their weights in it: currents and spikes between them
    are of this type, membranes stay float32. The last layer is the answer, and so is every one registered behind the
    last neuron (or ReLU) before it: they stay as they are, so that the copy takes and returns what `net` does.

    `net` itself is left as it is. The copy has no gradients, and keeps the module names, so that a carry saved by name
    fits both.

    >>> net = Stack(nn.Conv2d(2, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 1)).eval()
    >>> x = torch.rand(5, 1, 2, 16, 16)
    >>> torch.allclose(folded(net)(x), net(x), atol=1e-5)
    True
    >>> folded(net, dtype=torch.bfloat16)(x).dtype
    torch.float32
    """
    net = copy.deepcopy(net).eval().requires_grad_(False)
    uses = Counter(child for module in net.modules() for child in module._modules.values() if child is not None)
    for module in list(net.modules()):
        if isinstance(module, (nn.Sequential, Stack)):
            _fold_batch_norms(module, uses)
        elif isinstance(module, (SpikingS4D, S4D)):
            module.freeze()
    for parameter in net.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.to(memory_format=torch.channels_last)
    if dtype is not None:
        _shorten(net, dtype)
    return net


def replace_modules(net: nn.Module, replacement: Callable[[nn.Module], nn.Module]) -> nn.Module:
    """Return `net` with every module replaced, in place; one that is used in several places stays one."""
    replaced: dict[nn.Module, nn.Module] = {}
    for module in list(net.modules()):
        for name, child in module._modules.items():
            if child is not None:
                if child not in replaced:
                    replaced[child] = replacement(child)
                module._modules[name] = replaced[child]
    return replacement(net)


def has_hooks(module: nn.Module) -> bool:
    """Return whether somebody listens to the calls of a module, which therefore must happen."""
    return bool(module._forward_hooks or module._forward_pre_hooks)


def _fold_batch_norms(chain: nn.Module, uses: Counter[nn.Module]) -> None:
    for name, following in itertools.pairwise(chain._modules):
        conv, norm = chain._modules[name], chain._modules[following]
        if type(norm) is PerStep and not has_hooks(norm):
            norm = norm.module  # in evaluation mode every step has the same statistics
        if type(conv) is not nn.Conv2d or type(norm) is not nn.BatchNorm2d:
            continue
        # A convolution with another place in the network would carry this place's statistics there.
        if uses[conv] > 1 or has_hooks(conv) or has_hooks(norm):
            continue
        if norm.running_mean is not None and norm.running_var is not None:
            conv.weight, conv.bias = fuse_conv_bn_weights(
                conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
            )
            chain._modules[following] = nn.Identity()


def _shorten(net: nn.Module, dtype: torch.dtype) -> None:
    """Bring the layers before the answer to `dtype`; each of all layers then takes what reaches it to its own."""
    modules = list(net.modules())
    layers = [i for i, module in enumerate(modules) if isinstance(module, (nn.Conv2d, nn.Linear))]
    neurons = (i for i, module in enumerate(modules[: max(layers, default=0)]) if isinstance(module, (Neuron, nn.ReLU)))
    last = max(neurons, default=-1)
    for i in layers:
        if i < last:
            modules[i].to(dtype)
        modules[i].register_forward_pre_hook(_as_weight)


def _as_weight(layer: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Any, ...]:
    return (inputs[0].to(layer.weight.dtype), *inputs[1:])  # type: ignore[arg-type]
