"""The neurons that SpikeFPN and SpikingEDN are built of, as their configuration asks."""

from torch import nn

from ranvier.neurons import LIF, AdaptiveLIF
from ranvier.neurons.neuron import NeuronOptions
from ranvier.recipes import SpikeFPN, SpikingEDN


def hidden(config: SpikeFPN | SpikingEDN, *, decay: float | None = None) -> nn.Module:
    """Return LIF, with another `decay` if given, or ReLU in the twin without spikes."""
    if config.neuron == "relu":
        return nn.ReLU()
    return LIF(decay=config.decay if decay is None else decay, **_firing(config, config.v_threshold))


def stem(
    config: SpikeFPN | SpikingEDN, channels: int, *, v_threshold: float, tau_a_range: tuple[float, float] = (0.64, 1.1)
) -> nn.Module:
    """Return the first neuron: LIF with a threshold that its spikes raise or lower, plain LIF, or ReLU in the twin."""
    if config.neuron == "relu":
        return nn.ReLU()
    firing = _firing(config, v_threshold)
    if config.stem == "lif":
        return LIF(decay=config.decay, **firing)
    sign = 1 if config.stem == "alif+" else -1
    return AdaptiveLIF(decay=config.decay, channels=channels, tau_a_range=tau_a_range, sign=sign, **firing)


def _firing(config: SpikeFPN | SpikingEDN, v_threshold: float) -> NeuronOptions:
    return {
        "v_threshold": v_threshold,
        "surrogate": config.surrogate,
        "temperature": config.temperature,
        "strict": True,
    }
