"""The same neuron in each peer: tau 2, threshold 1, hard reset to 0, from rest, input `[T, ...]` to spikes."""

import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata

import torch
from torch import Tensor

Neuron = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Peer:
    """How to make a peer's neuron, and which input makes it compute what ours does.

    Attributes:
        package: the name on the package index.
        make: returns the neuron; imports the peer.
        gain: what the input has to be multiplied with beforehand, where the peer does not scale it.
        batch_first: whether the peer wants `[B, T, ...]`.
        cuda: whether it has kernels of its own for a CUDA device, where the others have nothing to add.
    """

    package: str
    make: Callable[[], Neuron]
    gain: float = 1.0
    batch_first: bool = False
    cuda: bool = False

    def prepare(self, x: Tensor) -> Tensor:
        """Return `x` `[T, B, ...]` as the peer takes it; done outside the timing."""
        x = x if self.gain == 1.0 else x * self.gain
        return x.transpose(0, 1).contiguous() if self.batch_first else x

    def restore(self, y: Tensor) -> Tensor:
        """Return the peer's output in our order of axes."""
        return y.transpose(0, 1) if self.batch_first else y


def spikingjelly() -> Neuron:
    # Version 2 picks the fastest of its implementations for the device by itself.
    neuron = importlib.import_module("spikingjelly.activation_based.neuron")
    surrogate = importlib.import_module("spikingjelly.activation_based.surrogate")
    node = neuron.LIFNode(tau=2.0, surrogate_function=surrogate.ATan(alpha=2.0), step_mode="m")

    def forward(x: Tensor) -> Tensor:
        node.reset()
        return node(x)

    return forward


def snntorch() -> Neuron:
    leaky = importlib.import_module("snntorch").Leaky(beta=0.5, threshold=1.0, reset_mechanism="zero")

    def forward(x: Tensor) -> Tensor:
        v, spikes = torch.zeros_like(x[0]), []
        # snnTorch leaves the loop over time to its user; unbind spares it the quadratic backward of x[t].
        for x_t in x.unbind():
            s, v = leaky(x_t, v)
            spikes.append(s)
        return torch.stack(spikes)

    return forward


def norse() -> Neuron:
    functional = importlib.import_module("norse.torch.functional.lif_box")
    cell = importlib.import_module("norse.torch.module.lif_box").LIFBoxCell
    lift = importlib.import_module("norse.torch.module.lift").Lift
    # Its step of 1 ms times 500 / s is the 1 / tau of ours.
    parameters = functional.LIFBoxParameters(tau_mem_inv=torch.tensor(500.0))
    neuron = lift(cell(parameters))
    return lambda x: neuron(x)[0]


def sinabs() -> Neuron:
    layers = importlib.import_module("sinabs.layers")
    activation = importlib.import_module("sinabs.activation")
    # Its leak is exp(-1 / tau).
    neuron = layers.LIF(
        tau_mem=1 / math.log(2), spike_fn=activation.SingleSpike, reset_fn=activation.MembraneReset()
    ).requires_grad_(False)

    def forward(x: Tensor) -> Tensor:
        neuron.reset_states()
        return neuron(x)

    return forward


PEERS: dict[str, Peer] = {
    "SpikingJelly": Peer("spikingjelly", spikingjelly, cuda=True),
    "snnTorch": Peer("snntorch", snntorch, gain=0.5),
    "Norse": Peer("norse", norse),
    "sinabs": Peer("sinabs", sinabs, batch_first=True),
}


def available(device: str) -> tuple[dict[str, Neuron], dict[str, str]]:
    """Return a neuron of each peer that can be made here, and the reason for each that cannot."""
    neurons, missing = {}, {}
    for name, peer in PEERS.items():
        if device == "cuda" and not peer.cuda:
            continue
        try:
            neurons[name] = peer.make()
        # A peer may fail in any way of its own; the table reports it.
        except Exception as error:
            missing[name] = f"{type(error).__name__}: {error}"
    return neurons, missing


def version(package: str) -> str | None:
    """Return the installed version, or `None`."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
