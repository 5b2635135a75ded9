"""The convolutional classifier: shapes, memory, options and errors."""

from dataclasses import replace

import pytest
import torch

from ranvier import Carry, models
from ranvier.neurons import Neuron
from ranvier.recipes import ConvClassifier

SMALL = ConvClassifier(size=(12, 10), channels=(2, 3), classes=4)


@pytest.mark.parametrize("neuron", ["lif", "plif", "relu"])
def test_one_answer_a_step(neuron: str) -> None:
    net = models.build(replace(SMALL, neuron=neuron))  # type: ignore[arg-type]
    y = net(torch.rand(5, 3, 2, 12, 10))
    assert y.shape == (5, 3, 4)
    y.sum().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())
    assert sum(isinstance(module, Neuron) for module in net.modules()) == (0 if neuron == "relu" else 2)


def test_chunks_equal_the_whole() -> None:
    torch.manual_seed(0)
    net = models.build(SMALL).eval().double()
    x = torch.rand(6, 2, 2, 12, 10, dtype=torch.float64) * 3
    carry = Carry()
    parts = [net(part, carry) for part in x.split([1, 3, 2])]
    torch.testing.assert_close(torch.cat(parts), net(x))
    assert net(x).std() > 0


def test_the_decay_reaches_the_neurons() -> None:
    plif = models.build(replace(SMALL, neuron="plif", decay=0.75))
    assert [m.leak()[0].item() for m in plif.modules() if isinstance(m, Neuron)] == pytest.approx([0.75, 0.75])
    lif = models.build(replace(SMALL, decay=0.75))
    assert [m.leak()[0] for m in lif.modules() if isinstance(m, Neuron)] == [0.75, 0.75]


def test_errors_say_what_is_wrong() -> None:
    with pytest.raises(ValueError, match=r"frames of \(12, 10\) are too small for 5 blocks"):
        models.build(replace(SMALL, channels=(1,) * 5))
    with pytest.raises(ValueError, match=r"at least one block"):
        models.build(replace(SMALL, channels=()))
    with pytest.raises(ValueError, match=r"no model 'resnet': expected one of conv_classifier"):
        models.build(replace(SMALL, name="resnet"))  # type: ignore[arg-type]
