"""The `wkv` op where no fast version can serve: its two halves in terms of the reference loop."""

import torch
from torch import Tensor

from ranvier.kernels.wkv_layout import checkpoint_shape


def reference_forward(
    k: Tensor, v: Tensor, w: Tensor, u: Tensor, a: Tensor | None, b: Tensor | None, p: Tensor | None, keep: bool
) -> tuple[Tensor, ...]:
    from ranvier.kernels.wkv import wkv_reference  # the op is defined in terms of this file

    y, *state = wkv_reference(k, v, w, u, a, b, p)
    # Without a step the state comes out as it came in, which an op may not do. The backward runs the reference from
    # the start: checkpoints would buy nothing, but their shape is promised.
    return y, *(part.clone() for part in state), k.new_zeros(checkpoint_shape(k, keep))


def reference_backward(
    k: Tensor,
    v: Tensor,
    w: Tensor,
    u: Tensor,
    a: Tensor | None,
    b: Tensor | None,
    p: Tensor | None,
    *grads: Tensor | None,
) -> tuple[Tensor, ...]:
    from ranvier.kernels.wkv import at_rest, wkv_reference

    start = at_rest(k.new_empty(k.shape[1:])) if a is None or b is None or p is None else (a, b, p)
    with torch.enable_grad():
        leaves = [tensor.detach().requires_grad_() for tensor in (k, v, w, u, start[0], start[1])]
        outputs = wkv_reference(*leaves, p=start[2])[:3]
        pairs = [(y, g) for y, g in zip(outputs, grads, strict=True) if g is not None and y.requires_grad]
        found = torch.autograd.grad([y for y, _ in pairs], leaves, [g for _, g in pairs], materialize_grads=True)
    return found if a is not None else (*found[:4], k.new_empty(0), k.new_empty(0))
