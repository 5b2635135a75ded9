"""A LIF neuron whose membrane a surrogate dynamic network predicts, all steps at once (SpikingSSM)."""

from pathlib import Path
from typing import Unpack

import torch
from torch import Tensor

from ranvier.carry import Carry
from ranvier.kernels.surrogate import spike
from ranvier.layers.sdn import SDN, reparameterised
from ranvier.neurons.neuron import Neuron, NeuronOptions


def load_sdn(file: str | Path | None = None) -> SDN:
    """Return the surrogate network whose weights a run of `ranvier train sdn` has written.

    Args:
        file: `weights.safetensors` in the run folder; default: the 193 parameters that come with the package, for the
            published decay of 0.125, which `ranvier train sdn --data.count 20000 --data.steps 512` has found: 99.97 %
            of the spikes on normal currents are right.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds something else.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    file = Path(__file__).with_name("sdn.safetensors") if file is None else Path(file)
    if not file.is_file():
        raise FileNotFoundError(f"no surrogate network {file}: expected RUN/weights.safetensors of `ranvier train sdn`")
    try:
        weights = load_file(file)
        first = weights["layers.0.depthwise.weight"]
        layers = sum(name.endswith("depthwise.weight") for name in weights)
        net = SDN(width=first.shape[0], kernel_size=first.shape[2], layers=layers)
        net.load_state_dict(weights)
    except (SafetensorError, KeyError, RuntimeError) as error:
        raise ValueError(f"{file} holds no weights of `ranvier train sdn`: {error}") from None
    return net.eval()


class SDNNeuron(Neuron):
    """Spikes of a LIF neuron with threshold 1 and a hard reset to 0, approximated without a loop over time.

        m = SDN(x)                 what is left of the membrane in each step, a constant for the gradient
        s[t] = H(m[t] + x[t] - 1)  ds/dx is the surrogate's derivative: no gradient flows through time

    It adds no parameters: the frozen network is no part of what a run saves, and LIF with the same decay may take its
    place at any time.

    Args:
        sdn: trained for the decay of the neuron.
        surrogate, temperature: derivative of the spike.

    Shapes: currents `[T, B, ...]` to spikes of the same shape.

    >>> SDNNeuron(load_sdn())(torch.full((3, 1, 1), 1.5)).flatten()
    tensor([1., 1., 1.])

    Source: Shen et al., SpikingSSMs, AAAI 2025.
    """

    def __init__(self, sdn: SDN, **neuron: Unpack[NeuronOptions]) -> None:
        super().__init__(**neuron)
        self.sdn = reparameterised(sdn)

    def forward(
        self, x: Tensor, carry: Carry | None = None, *, return_v: bool = False
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Return spikes, with the predicted membranes before reset if asked."""
        with torch.no_grad():
            m = self.sdn(x.detach(), carry)
        v = m + x
        theta = torch.as_tensor(self.v_threshold, dtype=v.dtype, device=v.device)
        s = spike(v, theta, surrogate=self.surrogate, temperature=self.temperature, strict=self.strict)
        return (s, v) if return_v else s
