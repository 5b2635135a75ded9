"""Neurons by the surrogate network: near the exact ones, and without a gradient through time."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ranvier.layers.sdn import SDN
from ranvier.layers.sdn_neuron import SDNNeuron, load_sdn
from ranvier.neurons import LIF
from ranvier.tasks.imitate import probe


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_the_network_of_the_package_is_as_good_as_the_published_one() -> None:
    with torch.no_grad():
        found = probe(load_sdn(), noise(1024, 8, 32), tau=0.125).result()
    assert found["accuracy"] > 0.9995  # type: ignore[operator]
    assert found["f1"] > 0.998  # type: ignore[operator]
    assert found["mse"] < 5e-5  # type: ignore[operator]
    assert found["memoryless"] < 0.99  # type: ignore[operator]


def test_spikes_are_those_of_the_exact_neuron_but_for_a_few() -> None:
    x = noise(500, 4, 16)
    neuron = SDNNeuron(load_sdn())
    s, v = neuron(x, return_v=True)
    assert torch.equal(s, (v >= 1).float())
    assert (s != LIF(decay=0.125)(x)).float().mean() < 1e-3


def test_no_gradient_flows_through_time() -> None:
    x = noise(50, 2, 3).requires_grad_()
    s, v = SDNNeuron(load_sdn(), surrogate="triangle", temperature=1.0)(x, return_v=True)
    (gradient,) = torch.autograd.grad(s.sum(), x)
    torch.testing.assert_close(gradient, (1 - (v - 1).abs()).clamp(min=0))


def test_it_saves_nothing() -> None:
    neuron = SDNNeuron(load_sdn())
    assert not neuron.state_dict()
    assert not list(neuron.parameters())


def test_weights_of_another_size_are_found_in_the_file(tmp_path: Path) -> None:
    sdn = SDN(width=3, kernel_size=4, layers=2).eval()
    save_file(sdn.state_dict(), tmp_path / "weights.safetensors")
    x = noise(20, 2, 2)
    torch.testing.assert_close(load_sdn(tmp_path / "weights.safetensors")(x), sdn(x))


def test_what_is_no_surrogate_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no surrogate network .*expected RUN/weights\.safetensors"):
        load_sdn(tmp_path / "weights.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="holds no weights of `ranvier train sdn`"):
        load_sdn(tmp_path / "other.safetensors")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(ValueError, match="holds no weights of `ranvier train sdn`"):
        load_sdn(tmp_path / "text")
