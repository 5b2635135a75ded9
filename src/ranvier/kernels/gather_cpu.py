"""The event-driven layers on the CPU: counts the spikes, decides, and calls gather.c on slices of the output."""

import ctypes
import functools
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ranvier.kernels import native, pool
from ranvier.kernels.gather_choice import Call, Kind, choose, record

GRAIN = 1 << 21
"""Additions below which a second thread costs more than it brings: one core nearly saturates the memory."""

SLACK = 16
"""Entries that gather.c may write behind the last one of a list (the same number as there)."""


class _Lists(NamedTuple):
    """How the spikes lie in memory: one list of active channels per sample, pixel and group."""

    samples: int
    groups: int
    channels: int
    pixels: int
    planes: bool


class _Events(NamedTuple):
    """The lists one after the other: list l is `index[start[l]:start[l + 1]]`."""

    index: Tensor
    start: Tensor
    count: int


def linear(s: Tensor, weight: Tensor, bias: Tensor | None, path: str) -> Tensor:
    """Run `ranvier.kernels.gather.linear` on the CPU."""
    columns, features = weight.shape
    samples = s.shape[:-1].numel()
    events = _events("linear", s.contiguous(), weight, bias, path, _Lists(samples, 1, features, 1, False), samples)
    if events is None:
        return F.linear(s, weight, bias)
    rows, bias = weight.t().contiguous(), None if bias is None else bias.contiguous()
    y = torch.empty((*s.shape[:-1], columns), dtype=s.dtype, device=s.device)
    arguments = (rows.data_ptr(), _address(bias), events.index.data_ptr(), events.start.data_ptr(), samples, columns)
    function = _library().ranvier_gather_linear  # type: ignore[union-attr]
    pieces = pool.slices(columns, grain=_grain(columns, events.count * columns))
    pool.run(lambda _, first, last: function(*arguments, first, last, y.data_ptr()), pieces)
    return y


def conv2d(
    s: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
    path: str,
) -> Tensor:
    """Run `ranvier.kernels.gather.conv2d` on the CPU."""
    samples, channels, height, width = s.shape
    out_channels, _, *kernel = weight.shape
    out_height, out_width = output_size(s, weight, stride, padding, dilation)
    memory_format = torch.channels_last if is_channels_last(s) else torch.contiguous_format
    planes = memory_format == torch.contiguous_format
    lists = _Lists(samples, groups, channels // groups, height * width, planes)
    x = s.contiguous(memory_format=memory_format)
    events = _events("conv2d", x, weight, bias, path, lists, samples * out_height * out_width)
    if events is None:
        y = F.conv2d(x, weight, bias, stride, padding, dilation, groups)  # type: ignore[arg-type]
        return y.contiguous(memory_format=memory_format)
    rows, bias = weight.permute(2, 3, 1, 0).contiguous(), None if bias is None else bias.contiguous()
    shape = (samples, out_channels, out_height, out_width)
    y = torch.empty(shape, dtype=s.dtype, device=s.device, memory_format=memory_format)
    geometry = (ctypes.c_int64 * 17)(
        samples, channels, height, width, out_channels, out_height, out_width,
        *kernel, *stride, *padding, *dilation, groups, not planes,
    )  # fmt: skip
    arguments = (rows.data_ptr(), _address(bias), events.index.data_ptr(), events.start.data_ptr())
    function = _library().ranvier_gather_conv2d  # type: ignore[union-attr]

    def part(_: int, first: int, last: int) -> None:
        if function(geometry, *arguments, first, last, y.data_ptr()):
            raise MemoryError("no memory for the list of active inputs of one pixel")

    additions = events.count * kernel[0] * kernel[1] * (out_channels // groups) // (stride[0] * stride[1])
    pool.run(part, pool.slices(samples * out_height, grain=_grain(samples * out_height, additions), multiple=1))
    return y


def output_size(
    s: Tensor, weight: Tensor, stride: Sequence[int], padding: Sequence[int], dilation: Sequence[int]
) -> tuple[int, int]:
    """Return height and width of a convolution's output."""
    height, width = (
        (s.shape[2 + i] + 2 * padding[i] - dilation[i] * (weight.shape[2 + i] - 1) - 1) // stride[i] + 1
        for i in range(2)
    )
    return height, width


def is_channels_last(s: Tensor) -> bool:
    """Return whether `s` `[N, C, H, W]` lies in memory as `[N, H, W, C]` and not as `[N, C, H, W]`."""
    return not s.is_contiguous() and s.is_contiguous(memory_format=torch.channels_last)


def _events(
    kind: Kind, s: Tensor, weight: Tensor, bias: Tensor | None, path: str, lists: _Lists, sums: int
) -> _Events | None:
    """Return the active channels, or `None` where the dense layer is to run; record which way was taken and why."""
    taps = weight.shape[2:].numel()
    rows, columns = lists.channels * taps, weight.shape[0] // lists.groups
    faster = functools.partial(choose, kind, sums=sums * lists.groups, rows=rows, columns=columns, taps=taps)
    events = density = None
    if path == "dense":
        reason = "asked for"
    elif _library() is None:
        reason = "no C kernels"
    elif not (s.dtype == weight.dtype == (weight if bias is None else bias).dtype == torch.float32):
        reason = "not float32"
    elif path == "auto" and faster(density=0.0) == "dense":
        reason = "too small"
    else:
        bits, ones = _pack(s, lists)
        reason = "not binary" if ones < 0 else "asked for" if path == "gather" else "faster"
        density = None if ones < 0 else ones / max(s.numel(), 1)
        if density is not None and (path == "gather" or faster(density=density) == "gather"):
            events = _unpack(bits, lists, ones)
    if events is None and path == "gather":
        raise ValueError(
            f"path='gather' expects the C kernels, float32 and spikes of exactly 0 and 1, got: {reason}; with "
            "path='auto' the dense layer serves"
        )
    record(Call(kind, tuple(s.shape), tuple(weight.shape), density, "dense" if events is None else "gather", reason))
    return events


def _pack(s: Tensor, lists: _Lists) -> tuple[Tensor, int]:
    """Return one bit per spike, and their number: -1 where a value is neither 0 nor 1."""
    words = lists.samples * lists.pixels * lists.groups * -(-lists.channels // 32)
    bits = torch.empty(words, dtype=torch.int32, device=s.device)
    return bits, _library().ranvier_gather_pack(s.data_ptr(), *lists, bits.data_ptr())  # type: ignore[union-attr]


def _unpack(bits: Tensor, lists: _Lists, ones: int) -> _Events:
    count = lists.samples * lists.pixels * lists.groups
    index = torch.empty(ones + SLACK, dtype=torch.int32, device=bits.device)
    start = torch.empty(count + 1, dtype=torch.int64, device=bits.device)
    _library().ranvier_gather_unpack(  # type: ignore[union-attr]
        bits.data_ptr(), count, -(-lists.channels // 32), index.data_ptr(), start.data_ptr()
    )
    return _Events(index, start, ones)


def _grain(length: int, additions: int) -> int:
    """Return how many of `length` columns or rows make a slice that is worth a thread."""
    return max(1, length * GRAIN // max(additions, 1))


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


@functools.cache
def _library() -> ctypes.CDLL | None:
    library = native.library()
    if library is not None:
        pointer, number = ctypes.c_void_p, ctypes.c_int64
        library.ranvier_gather_pack.argtypes = [pointer, *[number] * 4, ctypes.c_int, pointer]
        library.ranvier_gather_pack.restype = number
        library.ranvier_gather_unpack.argtypes = [pointer, number, number, pointer, pointer]
        library.ranvier_gather_linear.argtypes = [*[pointer] * 4, *[number] * 4, pointer]
        library.ranvier_gather_conv2d.argtypes = [*[pointer] * 5, number, number, pointer]
    return library
