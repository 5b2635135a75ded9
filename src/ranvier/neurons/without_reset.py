"""A leaky neuron that a spike does not reset: linear but for its threshold."""

from typing import Unpack

from torch import Tensor, as_tensor

from ranvier.carry import State
from ranvier.kernels import LIFOutput, scan
from ranvier.kernels.surrogate import spike
from ranvier.neurons.integrate_and_fire import LIF
from ranvier.neurons.neuron import NeuronOptions


class LIFWithoutReset(LIF):
    """v[t] = decay v[t-1] + x[t] and a spike wherever v reaches `v_threshold`: LIF as if it had no reset.

    The recurrence is linear, so that it could run in parallel; but more neurons fire (SpikingSSM's comparison).

    Args:
        decay: what stays of the membrane, in [0, 1].
        v_threshold, surrogate, temperature, strict: see `Neuron`; its other options have no meaning here.

    >>> import torch
    >>> LIFWithoutReset(decay=0.5)(torch.full((4, 1, 1), 0.6)).flatten()
    tensor([0., 0., 1., 1.])
    """

    def __init__(self, *, decay: float, **neuron: Unpack[NeuronOptions]) -> None:
        super().__init__(decay=decay, **neuron)

    def fire(self, x: Tensor, state: State, *, return_v: bool, return_state: bool) -> LIFOutput:
        current = x.reshape(*x.shape[:2], x.shape[2:].numel())
        if current.dtype.itemsize < 4:
            current = current.float()
        decay = current.new_full((current.shape[2], 1), float(self.decay))  # type: ignore[arg-type]
        v = state["v"].reshape(*current.shape[1:], 1) if state else None
        out = scan(current, decay, decay.new_ones(decay.shape), v)
        theta = as_tensor(self.v_threshold, dtype=out.y.dtype, device=x.device)
        s = spike(out.y, theta, surrogate=self.surrogate, temperature=self.temperature, strict=self.strict)
        s, v_seq = (tensor.reshape(x.shape).to(x.dtype) for tensor in (s, out.y))
        return LIFOutput(s, out.h.reshape(x.shape[1:]) if return_state else None, None, v_seq if return_v else None)
