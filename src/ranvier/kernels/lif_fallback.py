"""The `lif` op where no fast version can serve: its two halves in terms of the reference loop."""

import torch
from torch import Tensor

from ranvier.kernels.lif_call import Options, checkpoint_count, state_dtype


def reference_forward(
    x: Tensor,
    v: Tensor | None,
    a: Tensor | None,
    parameters: tuple[Tensor | None, ...],
    constants: list[float],
    options: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    from ranvier.kernels.lif import lif_reference  # the op is defined in terms of this file

    s, v_out, a_out, v_seq = lif_reference(x, v, a, parameters, constants, options)
    # Without a kernel the backward runs the reference from the start: checkpoints would buy nothing.
    opt = Options(options)
    shape = (checkpoint_count(x.shape[0], opt), 2 if opt.adaptive else 1, *x.shape[1:])
    state = (v_out[:0].flatten(), a_out[:0].flatten()) if opt.stateless else (v_out.clone(), a_out.clone())
    return s, *state, v_seq, v_out.new_zeros(shape)


def reference_backward(
    x: Tensor,
    v: Tensor | None,
    a: Tensor | None,
    parameters: tuple[Tensor | None, ...],
    grads: tuple[Tensor | None, ...],
    constants: list[float],
    options: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    from ranvier.kernels.lif import lif_reference

    opt, state = Options(options), state_dtype(x)
    from_rest = (v is None, a is None)
    channels = max([1, *(p.numel() for p in parameters if p is not None)])
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        v = (x.new_zeros(x.shape[1:], dtype=state) if v is None else v.detach()).requires_grad_()
        a = (torch.zeros_like(v) if a is None else a.detach()).requires_grad_()
        leaves = [_leaf(p, number, channels, state, x.device) for p, number in zip(parameters, constants, strict=False)]
        for leaf in leaves:
            leaf.requires_grad_()
        outputs = lif_reference(x, v, a, leaves, constants, options)
        pairs = [(y, g) for y, g in zip(outputs, grads, strict=True) if g is not None and y.requires_grad]
        found = torch.autograd.grad(
            [y for y, _ in pairs], [x, v, a, *leaves], [g for _, g in pairs], materialize_grads=True
        )
    grad_x, grad_v, grad_a, *grad_parameters = found
    return (
        grad_x,
        grad_v.new_empty(0) if from_rest[0] else grad_v,
        grad_a.new_empty(0) if from_rest[1] else grad_a,
        torch.stack(grad_parameters) if opt.parameter_gradients else grad_v.new_empty(0),
    )


def _leaf(p: Tensor | None, number: float, channels: int, state: torch.dtype, device: torch.device) -> Tensor:
    value = torch.tensor([number], dtype=state, device=device) if p is None else p.detach().to(state).reshape(-1)
    return value.expand(channels).clone()
