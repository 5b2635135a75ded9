"""Event-driven layers: a linear or convolution layer as the sum of the weight rows of its active inputs.

    y = bias + sum over i with s[i] = 1 of weight[:, i]          s: exactly 0 or 1

In inference and for finite weights, the answer is the dense layer's within float rounding, and the sum reads the
weights of active inputs only. Which of the two is faster depends on batch, width and the density of the very input, so
`path="auto"` packs the input to bits, counts them and asks `choose`; `trace` reports each decision. Weights should be
laid out once by `prepare`; any other layout gives the same answer, slowly.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ranvier.kernels import gather_cpu
from ranvier.kernels.backend import uses_reference
from ranvier.kernels.gather_choice import Call, Path, choose, record, trace

__all__ = ["Call", "Path", "choose", "conv2d", "conv2d_reference", "linear", "linear_reference", "prepare", "trace"]


def prepare(weight: Tensor) -> Tensor:
    """Return the same weight laid out in memory as one row of outputs per input, which is what a sum of rows reads.

    The values, the shape and every use of the tensor stay the same, as with `torch.channels_last`: nothing is cached,
    so nothing can be out of date. A dense layer runs at the same speed on either layout.

    Args:
        weight: `[out_features, in_features]` or `[out_channels, in_channels / groups, kernel_h, kernel_w]`.

    Raises:
        ValueError: the weight belongs to neither a linear nor a two-dimensional convolution layer.

    >>> weight = prepare(torch.randn(8, 4))
    >>> weight.shape, weight.t().is_contiguous()
    (torch.Size([8, 4]), True)
    """
    if weight.ndim == 2:
        return weight.t().contiguous().t()
    if weight.ndim == 4:
        return weight.permute(2, 3, 1, 0).contiguous().permute(3, 2, 0, 1)
    raise ValueError(f"expected a weight [out, in] or [out, in, kernel_h, kernel_w], got shape {tuple(weight.shape)}")


def linear(s: Tensor, weight: Tensor, bias: Tensor | None = None, *, path: Path = "auto") -> Tensor:
    """Apply a linear layer to binary spikes: `y = s weight^T + bias`, without gradients.

    Args:
        s: spikes `[..., in_features]`.
        weight: `[out_features, in_features]`, best laid out by `prepare`.
        bias: `[out_features]`.
        path: "auto" takes the faster way for this very input, and the dense layer wherever the sum of rows cannot
            serve (values other than 0 and 1, not float32, not on the CPU); "gather" and "dense" insist.

    Returns:
        `[..., out_features]`.

    Raises:
        RuntimeError: gradients are needed.
        ValueError: the shapes do not fit, or "gather" was asked for and the input is not binary, not float32, or the
            C kernels are missing.

    >>> s = torch.tensor([[0.0, 1.0, 1.0]])
    >>> linear(s, prepare(torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])))
    tensor([[ 5., 11.]])
    """
    _check(s, weight, bias, path, "[..., in_features]", 2)
    if s.ndim < 1 or s.shape[-1] != weight.shape[1]:
        raise ValueError(
            f"expected spikes [..., {weight.shape[1]}] for a weight {tuple(weight.shape)}, got {tuple(s.shape)}"
        )
    if uses_reference():
        record(Call("linear", tuple(s.shape), tuple(weight.shape), None, "dense", "reference"))
        return linear_reference(s, weight, bias)
    return torch.ops.ranvier.gather_linear(s, weight, bias, path)


def conv2d(
    s: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
    path: Path = "auto",
) -> Tensor:
    """Apply a two-dimensional convolution to binary spikes, without gradients; the equation is `torch.conv2d`'s.

    Args:
        s: spikes `[N, C, H, W]`, contiguous or channels-last; the answer has the same memory format.
        weight: `[out_channels, C / groups, kernel_h, kernel_w]`, best laid out by `prepare`.
        bias: `[out_channels]`.
        stride, padding, dilation: one number, or one for height and one for width; padding is with zeros.
        groups: how many blocks of channels are kept apart.
        path: as in `linear`.

    Returns:
        `[N, out_channels, H_out, W_out]`.

    Raises:
        RuntimeError, ValueError: as `linear`.
    """
    _check(s, weight, bias, path, "[N, C, H, W]", 4)
    if s.ndim != 4 or s.shape[1] != weight.shape[1] * groups or weight.shape[0] % groups:
        raise ValueError(
            f"expected spikes [N, {weight.shape[1] * groups}, H, W] for a weight {tuple(weight.shape)} in {groups} "
            f"group(s), got {tuple(s.shape)}"
        )
    options = (_pair(stride), _pair(padding), _pair(dilation), groups)
    if min(gather_cpu.output_size(s, weight, *options[:3])) < 1:
        raise ValueError(f"the kernel {tuple(weight.shape[2:])} does not fit into the padded input {tuple(s.shape)}")
    if uses_reference():
        record(Call("conv2d", tuple(s.shape), tuple(weight.shape), None, "dense", "reference"))
        return conv2d_reference(s, weight, bias, *options)
    return torch.ops.ranvier.gather_conv2d(s, weight, bias, *options, path)


def linear_reference(s: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The specification: the dense layer."""
    return F.linear(s, weight, bias)


def conv2d_reference(
    s: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: list[int] | tuple[int, int],
    padding: list[int] | tuple[int, int],
    dilation: list[int] | tuple[int, int],
    groups: int,
) -> Tensor:
    """The specification: the dense layer."""
    return F.conv2d(s, weight, bias, stride, padding, dilation, groups)  # type: ignore[arg-type]


def _check(s: Tensor, weight: Tensor, bias: Tensor | None, path: str, expected: str, ndim: int) -> None:
    if path not in ("auto", "gather", "dense"):
        raise ValueError(f"expected path to be one of auto, gather, dense, got {path!r}")
    if weight.ndim != ndim:
        raise ValueError(f"expected a weight of {ndim} axes for spikes {expected}, got shape {tuple(weight.shape)}")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"expected a bias of shape ({weight.shape[0]},), got {tuple(bias.shape)}")
    if torch.is_grad_enabled() and (
        s.requires_grad or weight.requires_grad or (bias is not None and bias.requires_grad)
    ):
        raise RuntimeError(
            "event-driven layers have no gradient: call them under torch.inference_mode(), or train with "
            f"torch.nn.functional.{'linear' if ndim == 2 else 'conv2d'}"
        )


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


_library = torch.library.Library("ranvier", "FRAGMENT")
_library.define("gather_linear(Tensor s, Tensor weight, Tensor? bias, str path) -> Tensor")
_library.define(
    "gather_conv2d(Tensor s, Tensor weight, Tensor? bias, int[2] stride, int[2] padding, int[2] dilation, int groups, "
    "str path) -> Tensor"
)
_library.impl("gather_linear", gather_cpu.linear, "CPU")
_library.impl("gather_conv2d", gather_cpu.conv2d, "CPU")


def _linear_dense(s: Tensor, weight: Tensor, bias: Tensor | None, path: str) -> Tensor:
    record(Call("linear", tuple(s.shape), tuple(weight.shape), None, "dense", f"on {s.device.type}"))
    return linear_reference(s, weight, bias)


def _conv2d_dense(s: Tensor, weight: Tensor, bias: Tensor | None, *rest: Any) -> Tensor:
    record(Call("conv2d", tuple(s.shape), tuple(weight.shape), None, "dense", f"on {s.device.type}"))
    return conv2d_reference(s, weight, bias, *rest[:4])


_library.impl("gather_linear", _linear_dense, "CUDA")
_library.impl("gather_conv2d", _conv2d_dense, "CUDA")


def _linear_shape(s: Tensor, weight: Tensor, bias: Tensor | None, path: str) -> Tensor:
    return s.new_empty((*s.shape[:-1], weight.shape[0]))


def _conv2d_shape(s: Tensor, weight: Tensor, bias: Tensor | None, *rest: Any) -> Tensor:
    size = gather_cpu.output_size(s, weight, *rest[:3])
    memory_format = torch.channels_last if gather_cpu.is_channels_last(s) else torch.contiguous_format
    return torch.empty(
        (s.shape[0], weight.shape[0], *size), dtype=s.dtype, device=s.device, memory_format=memory_format
    )


torch.library.register_fake("ranvier::gather_linear", _linear_shape, lib=_library)
torch.library.register_fake("ranvier::gather_conv2d", _conv2d_shape, lib=_library)
