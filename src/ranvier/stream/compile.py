"""From the layers of a decoder to a program of single steps: one function for each type of layer."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ranvier.carry import Temporal
from ranvier.kernels.step import Program
from ranvier.layers.attention import Attention, TransformerBlock
from ranvier.layers.blocks import Residual
from ranvier.layers.gru import GRU
from ranvier.layers.mamba import Mamba
from ranvier.layers.rwkv import ChannelMix, TimeMix
from ranvier.layers.spiking_block import TiedDropout
from ranvier.layers.stack import Stack
from ranvier.models.decoder import NeuralDecoder
from ranvier.neurons import IF, LI, LIF, PLI, PLIF
from ranvier.neurons.neuron import Neuron, Parameter

PLACE = "place"
"""Where the next entry of a ring goes; a carry knows none, its oldest entry is its first."""


class Compiler:
    """A program in the making, and the memory of the layers that it has met.

    Attributes:
        program: what has been written.
        memory: each layer's own names and tensors, shaped as in a `Carry` of one lane, at rest.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.memory: dict[nn.Module, dict[str, Tensor]] = {}

    def layer(self, module: nn.Module, x: Tensor) -> Tensor:
        """Write the operations of a layer that reads `x`, and return the vector of its answer.

        Raises:
            TypeError: a layer of a type that is not in `LAYERS`.
        """
        if type(module) not in LAYERS:
            raise TypeError(
                f"expected layers of types that have a fused step, got {type(module).__name__}: type "
                'engine="torch", or add a function to LAYERS in stream/compile.py'
            )
        return LAYERS[type(module)](self, module, x)

    def remembered(self, module: Temporal, x: Tensor) -> dict[str, Tensor]:
        """Return the memory of a layer that reads `x`, without the axis of the batch."""
        rest = module.rest(1, torch.zeros(1, len(x)))
        # Copies: some layers begin with one tensor under two names.
        self.memory[module] = {name: tensor.clone() for name, tensor in rest.items()}
        return {name: tensor[0] for name, tensor in self.memory[module].items()}


def compiled(net: NeuralDecoder, program: Program, x: Tensor) -> tuple[Tensor, dict[nn.Module, dict[str, Tensor]]]:
    """Write a decoder of one day that reads counts `x [channels]`; return its answer and its memory."""
    compiler, adapter = Compiler(program), net.adapter
    z = program.standardise(x, net.x_mean, net.x_gain)
    bias = adapter.bias[0] if adapter.embedding is None else adapter.bias[0] + adapter.embedding[0]
    z = compiler.layer(net.backbone, program.linear(z, adapter.weight[0], bias))
    return program.affine(compiler.layer(net.readout, z), net.y_std, net.y_mean), compiler.memory


def _stack(compiler: Compiler, layers: Stack | nn.Sequential, x: Tensor) -> Tensor:
    for layer in layers:
        x = compiler.layer(layer, x)
    return x


def _residual(compiler: Compiler, block: Residual, x: Tensor) -> Tensor:
    passed = x if block.shortcut is None else compiler.layer(block.shortcut, x)
    return compiler.program.add(compiler.layer(block.body, x), passed)


def _transparent(compiler: Compiler, layer: nn.Module, x: Tensor) -> Tensor:
    return x


def _linear(compiler: Compiler, layer: nn.Linear, x: Tensor) -> Tensor:
    return compiler.program.linear(x, layer.weight, layer.bias)


def _layer_norm(compiler: Compiler, norm: nn.LayerNorm, x: Tensor) -> Tensor:
    return compiler.program.layer_norm(x, norm.weight, norm.bias, norm.eps)


def _rms_norm(compiler: Compiler, norm: nn.RMSNorm, x: Tensor) -> Tensor:
    assert norm.eps is not None
    return compiler.program.rms_norm(x, norm.weight, norm.eps)


def _batch_norm(compiler: Compiler, norm: nn.BatchNorm1d, x: Tensor) -> Tensor:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    return compiler.program.affine(x, gain, norm.bias - gain * norm.running_mean)


def _gru(compiler: Compiler, net: GRU, x: Tensor) -> Tensor:
    program, memory = compiler.program, compiler.remembered(net, x)["h"]
    weights: dict[str, Tensor] = dict(net.named_parameters())
    for i, h in enumerate(memory):
        past = program.linear(h, weights[f"weight_hh_l{i}"], weights[f"bias_hh_l{i}"])
        x = program.linear(x, weights[f"weight_ih_l{i}"], weights[f"bias_ih_l{i}"])
        x = program.gru(x, past, h)
    return x


def _time_mix(compiler: Compiler, mix: TimeMix, x: Tensor) -> Tensor:
    program, memory = compiler.program, compiler.remembered(mix, x)
    k, v, r = program.mix(x, memory["x"], mix.mu_k, mix.mu_v, mix.mu_r)
    k, v, r = (compiler.layer(layer, z) for layer, z in ((mix.key, k), (mix.value, v), (mix.receptance, r)))
    y = program.wkv(k, v, r, -torch.exp(mix.decay), mix.bonus, memory["a"], memory["b"], memory["p"])
    return compiler.layer(mix.output, y)


def _channel_mix(compiler: Compiler, mix: ChannelMix, x: Tensor) -> Tensor:
    program = compiler.program
    k, r = program.mix(x, compiler.remembered(mix, x)["x"], mix.mu_k, mix.mu_r)
    value = compiler.layer(mix.value, program.square(compiler.layer(mix.key, k)))
    return program.gate(value, compiler.layer(mix.receptance, r))


def _mamba(compiler: Compiler, layer: Mamba, x: Tensor) -> Tensor:
    program, memory = compiler.program, compiler.remembered(layer, x)
    u, z = compiler.layer(layer.inputs, x).chunk(2)
    u = program.convolve(u, memory["u"], layer.taps, layer.taps_bias)
    dt, b, c = compiler.layer(layer.select, u).split([layer.rank, layer.state, layer.state])
    dt = compiler.layer(layer.steps, dt)
    y = program.select(u, dt, -torch.exp(layer.log_a), b, c, layer.d, memory["h"], z)
    return compiler.layer(layer.outputs, y)


def _attention(compiler: Compiler, layer: Attention, x: Tensor) -> Tensor:
    memory = compiler.remembered(layer, x)
    place = compiler.memory[layer][PLACE] = torch.zeros(1, dtype=torch.long)
    ages = layer.turns[: layer.window, : layer.channels // layer.heads // 2].flip(0)
    qkv = compiler.layer(layer.qkv, x)
    filled = compiler.memory[layer]["filled"]
    return compiler.layer(layer.out, compiler.program.attend(qkv, memory["kv"], filled, place, ages, layer.heads))


def _transformer_block(compiler: Compiler, block: TransformerBlock, x: Tensor) -> Tensor:
    x = compiler.program.add(compiler.layer(block.attention, compiler.layer(block.attention_norm, x)), x)
    return compiler.program.add(compiler.layer(block.mlp, compiler.layer(block.mlp_norm, x)), x)


def _gelu(compiler: Compiler, layer: nn.GELU, x: Tensor) -> Tensor:
    return compiler.program.gelu(x)


def _integrator(compiler: Compiler, neuron: Neuron, x: Tensor) -> Tensor:
    decay, gain = (_each(value, x) for value in neuron.leak())
    return compiler.program.leak(x, decay, gain, compiler.remembered(neuron, x)["v"])


def _neuron(compiler: Compiler, neuron: Neuron, x: Tensor) -> Tensor:
    if neuron.reset != "hard" or not neuron.decay_reset:
        raise TypeError(
            f'expected neurons with reset="hard" and decay_reset=True, got {type(neuron).__name__}({neuron}): type '
            'engine="torch"'
        )
    decay, gain, threshold = (_each(value, x) for value in (*neuron.leak(), neuron.v_threshold))
    memory = compiler.remembered(neuron, x)["v"]
    return compiler.program.fire(x, decay, gain, threshold, memory, reset=neuron.v_reset, strict=neuron.strict)


def _each(value: Parameter, x: Tensor) -> Tensor:
    return torch.as_tensor(value, dtype=torch.float32).detach().reshape(-1).expand(len(x))


LAYERS: dict[type[nn.Module], Callable[..., Tensor]] = {
    Stack: _stack,
    nn.Sequential: _stack,
    Residual: _residual,
    nn.Dropout: _transparent,
    TiedDropout: _transparent,
    nn.Linear: _linear,
    nn.LayerNorm: _layer_norm,
    nn.RMSNorm: _rms_norm,
    nn.BatchNorm1d: _batch_norm,
    GRU: _gru,
    TimeMix: _time_mix,
    ChannelMix: _channel_mix,
    Mamba: _mamba,
    Attention: _attention,
    TransformerBlock: _transformer_block,
    nn.GELU: _gelu,
    LI: _integrator,
    PLI: _integrator,
    IF: _neuron,
    LIF: _neuron,
    PLIF: _neuron,
}
"""What each type of layer becomes; in evaluation mode, where dropout is nothing."""
