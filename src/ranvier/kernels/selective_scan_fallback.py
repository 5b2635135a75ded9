"""The `selective_scan` op where no fast version can serve: its two halves in terms of the reference loop."""

import torch
from torch import Tensor

from ranvier.kernels.selective_scan_layout import checkpoint_shape


def reference_forward(
    x: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor, d: Tensor, h: Tensor | None, keep: bool
) -> tuple[Tensor, Tensor, Tensor]:
    from ranvier.kernels.selective_scan import selective_scan_reference  # the op is defined in terms of this file

    y, h_out = selective_scan_reference(x, dt, a, b, c, d, h)
    # The backward runs the reference from the start: checkpoints would buy nothing, but their shape is promised.
    return y, h_out.clone() if h_out is h else h_out, x.new_zeros(checkpoint_shape(x, a, keep))


def reference_backward(
    x: Tensor,
    dt: Tensor,
    a: Tensor,
    b: Tensor,
    c: Tensor,
    d: Tensor,
    h: Tensor | None,
    grad_y: Tensor | None,
    grad_h: Tensor | None,
) -> tuple[Tensor, ...]:
    from ranvier.kernels.selective_scan import selective_scan_reference

    with torch.enable_grad():
        start = a.new_zeros(*x.shape[1:], a.shape[1]) if h is None else h
        leaves = [tensor.detach().requires_grad_() for tensor in (x, dt, a, b, c, d, start)]
        outputs = selective_scan_reference(*leaves)
        pairs = [(y, g) for y, g in zip(outputs, (grad_y, grad_h), strict=True) if g is not None and y.requires_grad]
        found = torch.autograd.grad([y for y, _ in pairs], leaves, [g for _, g in pairs], materialize_grads=True)
    return found if h is not None else (*found[:6], a.new_empty(0))
