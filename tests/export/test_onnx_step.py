"""One step of a network as a file: what the file says against what the network says, step by step."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from ranvier import Carry, models
from ranvier.export import compare, export_step, load_step
from ranvier.layers import Stack
from ranvier.layers.gru import GRU
from ranvier.layers.rwkv import TimeMix
from ranvier.recipes import ConvClassifier, Decoder

BACKBONES = ("gru", "rwkv", "mamba", "transformer", "spiking")
# The window of attention wraps many times in 200 steps.
SMALL = Decoder(in_channels=12, width=32, layers=2, adapter="per_day", days=3, window=7)
DAY, STEPS = 2, 200


def lively(config) -> nn.Module:
    """Return a network of which no part is silent: some layers start with zeros."""
    torch.manual_seed(0)
    net = models.build(config).eval()
    for parameter in net.parameters():
        if parameter.ndim > 1 and not parameter.detach().any():
            nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5)
    return net


def counts(lanes: int = 1, *, seed: int = 1) -> Tensor:
    """Return counts of spikes, some of which are missing."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.poisson(torch.ones(STEPS, lanes, 12), generator=generator)
    x[torch.rand(x.shape, generator=generator) < 0.02] = float("nan")
    return x


@pytest.fixture(scope="module", params=BACKBONES)
def exported(request, tmp_path_factory):
    """A decoder of each backbone, and its file."""
    net = lively(replace(SMALL, backbone=request.param))
    path = tmp_path_factory.mktemp("step") / f"{request.param}.onnx"
    export_step(net, path, x=counts()[0], day=DAY, about={"bin_ms": "10"})
    return net, path


def test_the_file_says_what_the_network_says(exported) -> None:
    net, path = exported
    found = compare(net, load_step(path), counts(), day=DAY)
    assert found.network.std() > 0.01
    if "spiking" in path.name:  # a spike within rounding of its threshold may flip
        assert found.apart < 0.02
    else:
        assert found.apart == 0


def test_memory_goes_from_the_network_to_the_file_and_back(exported) -> None:
    net, path = exported
    step, carry, x = load_step(path), Carry(), counts(seed=2)
    with torch.no_grad():
        net(x[:30], carry, day=DAY)
        memory = {name: tensor.numpy() for name, tensor in carry.clone().state_dict(net).items()}
        assert memory.keys() == step.rest().keys()
        expected = net(x[30:32], carry, day=DAY)
        y, after = step(x[30].numpy(), memory)
        torch.testing.assert_close(torch.from_numpy(y), expected[0], rtol=1e-4, atol=1e-5)
        back = Carry()
        back.load_state_dict(net, {name: torch.from_numpy(array) for name, array in after.items()})
        torch.testing.assert_close(net(x[31:32], back, day=DAY), expected[1:], rtol=1e-4, atol=1e-5)


def test_the_memory_that_goes_in_stays_as_it_is(exported) -> None:
    _, path = exported
    step, x = load_step(path), counts().numpy()
    memory = step(x[0], step.rest())[1]
    before = {name: array.copy() for name, array in memory.items()}
    first, second = (step(x[1], memory)[0] for _ in range(2))
    assert np.array_equal(first, second)
    assert all(np.array_equal(memory[name], before[name]) for name in memory)


def test_shapes_are_fixed_and_metadata_say_how_to_begin(exported) -> None:
    net, path = exported
    graph = onnx.load(path).graph
    shapes = {
        value.name: [axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    }
    assert shapes["x"] == [1, 12]
    assert shapes["y"] == [1, 2]
    assert all(0 not in shape for shape in shapes.values())
    assert not {node.op_type for node in graph.node} & {"If", "Loop", "NonZero", "Scan"}
    step, carry = load_step(path), Carry()
    with torch.no_grad():
        net(counts()[:1], carry, day=DAY)
    carry.reset([0])
    for name, tensor in carry.state_dict(net).items():
        assert shapes[name] == shapes[name + ".next"] == list(tensor.shape)
        assert np.array_equal(step.rest()[name], tensor.numpy())
        assert step.rest()[name].dtype == tensor.numpy().dtype
    assert step.about["bin_ms"] == "10"


def test_eight_bits_a_weight(tmp_path) -> None:
    net = lively(replace(SMALL, width=64))
    path = tmp_path / "int8.onnx"
    export_step(net, path, x=counts()[0], day=DAY, int8=True)
    model, step = onnx.load(path), load_step(path)
    weights = {
        tensor.name: tensor for tensor in model.graph.initializer if len(tensor.dims) == 2 and min(tensor.dims) > 1
    }
    assert len(weights) == 6  # two layers of two matrices each, adapter and readout
    assert {tensor.data_type for tensor in weights.values()} == {onnx.TensorProto.UINT8}
    assert step.types["backbone.h"] == np.float32
    found = compare(net, step, counts(), day=DAY)
    assert 0 < found.difference < 0.05 * found.largest


def test_frames_in_two_lanes(tmp_path) -> None:
    torch.manual_seed(0)
    net, x = models.build(ConvClassifier(channels=(4, 4), size=(12, 12))), (torch.rand(40, 2, 2, 12, 12) < 0.3).float()
    for _ in range(20):
        net(x)
    assert net.training
    export_step(net, tmp_path / "frames.onnx", x=x[0])
    assert net.training
    assert all(parameter.requires_grad for parameter in net.parameters())
    found = compare(net.eval(), load_step(tmp_path / "frames.onnx"), x)
    assert found.network.std() > 0.01
    assert found.apart < 0.05


def test_a_layer_by_itself(tmp_path) -> None:
    export_step(GRU(3, 4), tmp_path / "gru.onnx", x=torch.zeros(2, 3))
    assert load_step(tmp_path / "gru.onnx").rest()["h"].shape == (2, 1, 4)
    with pytest.raises(ValueError, match=r"the memory 'x' of this TimeMix .* export Stack\(net\)"):
        export_step(TimeMix(4), tmp_path / "mix.onnx", x=torch.zeros(1, 4))


def test_a_missing_day_is_told(tmp_path) -> None:
    with pytest.raises(ValueError, match="recording day"):
        export_step(lively(SMALL), tmp_path / "day.onnx", x=counts()[0])


def test_an_answer_in_parts_is_refused(tmp_path) -> None:
    class Two(Stack):
        def forward(self, x, carry=None):
            return x, x

    with pytest.raises(TypeError, match="one tensor, Two gives <class 'tuple'>"):
        export_step(Two(), tmp_path / "two.onnx", x=torch.zeros(1, 3))


def test_wrong_input_is_told(exported) -> None:
    step = load_step(exported[1])
    with pytest.raises(ValueError, match=r"expected one step of input \(1, 12\), got \(2, 12\)"):
        step(np.zeros((2, 12)), step.rest())
    y, _ = step(np.zeros((1, 12), np.float64), step.rest())
    assert y.dtype == np.float32


def test_files_that_are_no_steps(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match="ranvier export RUN"):
        load_step(tmp_path / "absent.onnx")
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(b"\xffnonsense")
    with pytest.raises(ValueError, match=r"damaged\.onnx is damaged, or no ONNX file"):
        load_step(damaged)
    other = tmp_path / "other.onnx"
    value = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "ab"]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Neg", ["a"], ["b"])], "g", value[:1], value[1:])
    opset = [onnx.helper.make_opsetid("", 20)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=10), other)
    with pytest.raises(ValueError, match=r"no step of a network: .* got \['a'\] and \['b'\]"):
        load_step(other)


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_extra_says_what_to_type(package, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"need {package}: type pip install 'ranvier\[onnx\]'"):
        export_step(GRU(3, 4), tmp_path / "gru.onnx", x=torch.zeros(2, 3))


def test_nothing_is_loaded_before_it_is_needed() -> None:
    code = "import sys, ranvier.export; assert not {'onnx', 'onnxscript', 'onnxruntime'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
