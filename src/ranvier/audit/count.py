"""Counts what every layer of a network does, by forward hooks that are gone afterwards."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from ranvier.audit.result import Audit, Energy, LayerCost, NeuronCost
from ranvier.carry import Temporal
from ranvier.layers.spiking_ssm import SpikingS4D
from ranvier.layers.ssam import Product
from ranvier.models.decoder import NeuralDecoder, of_day
from ranvier.record import owns_memory

WEIGHTED = (_ConvNd, nn.Linear)
# Parameters that cost no operation: looked up, or a threshold that scales how the modes before it are read out.
FREE = (nn.Embedding, SpikingS4D)


def audit(net: nn.Module, x: Tensor, *, lengths: Tensor | None = None, energy: Energy | None = None) -> Audit:
    """Run `net` once on `x` `[T, B, ...]` in evaluation mode and count the operations of every layer.

    `lengths` `[B]` are the steps of each lane, where lanes are padded at their ends: what happens after them does not
    count. A network that asks for them (`uses_lengths`) is given them.

    MACs of a layer = outputs x inputs that one output sums over, the zeros around a picture included, as in published
    tables. A batch norm that directly follows a convolution or linear layer folds into it and costs nothing; any other
    is a layer of its own with one MAC per value, and so is a product of two activations (`Product`). A layer that
    multiplies outside of such modules says itself how often for one value of its output, as `macs`: S4D, RWKV, GRU,
    Mamba, attention. Neurons are counted as such; embeddings and the thresholds of `SpikingS4D` cost nothing; every
    other module that owns parameters is named in `Audit.uncounted`.

    Raises:
        ValueError: `x` has no time and batch axes, `lengths` are not one from 1 to T for each lane, or the network has
            no layer to count.

    >>> net = nn.Sequential(nn.Linear(4, 3, bias=False))
    >>> cost = audit(net, torch.tensor([[[1.0, 0.0, 0.0, 1.0]]]))
    >>> cost.macs, cost.accumulates, round(cost.energy_pj, 2), round(cost.ann_energy_pj, 2)
    (12.0, 6.0, 5.4, 55.2)
    """
    if x.ndim < (3 if x.is_floating_point() else 2):
        raise ValueError(f"expected an input [time, batch, ...] to audit, got shape {tuple(x.shape)}")
    energy = energy or Energy()
    real = _Real(x, lengths)
    seen: dict[str, _Seen] = {}
    with evaluation(net), _counting(net, seen, real), torch.no_grad():
        if lengths is not None and getattr(net, "uses_lengths", False):
            net(x, lengths=lengths)
        else:
            net(x)
    lanes = real.steps * x.shape[1]
    modules = dict(net.named_modules())
    remembering = (name for name in seen if isinstance(modules[name], Temporal))
    temporal = {name for name in remembering if not hasattr(modules[name], "macs")}
    layers = [
        _layer_cost(name, modules[name], counted, lanes, energy)
        for name, counted in seen.items()
        if name not in temporal and counted.operations
    ]
    if not layers:
        raise ValueError(f"{type(net).__name__} has no convolution or linear layer: there is nothing to audit")
    neurons = [_neuron_cost(name, modules[name], seen[name], lanes) for name in seen if name in temporal]
    uncounted = [
        name or type(module).__name__
        for name, module in modules.items()
        if name not in seen
        and not isinstance(module, FREE)
        and next(module.parameters(recurse=False), None) is not None
    ]
    total = sum(p.numel() for p in net.parameters())
    return Audit(tuple(layers), tuple(neurons), tuple(uncounted), real.steps, total, energy)


def alone(net: nn.Module) -> nn.Module:
    """Return a network that needs nothing but its input: of a decoder of several days, that of the last one."""
    return of_day(net, -1) if isinstance(net, NeuralDecoder) else net


@contextmanager
def evaluation(net: nn.Module) -> Iterator[None]:
    """Evaluation mode inside, every module's own mode afterwards."""
    modes = {module: module.training for module in net.modules()}
    net.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


class _Real:
    """Leaves the padding out of what a layer takes in or gives."""

    def __init__(self, x: Tensor, lengths: Tensor | None) -> None:
        steps, lanes = x.shape[:2]
        self.steps: float = steps
        self._mask: Tensor | None = None
        if lengths is None:
            return
        if lengths.shape != (lanes,) or not ((lengths >= 1) & (lengths <= steps)).all():
            raise ValueError(f"expected {lanes} lengths from 1 to {steps}, one for each lane, got {lengths.tolist()}")
        self.steps = float(lengths.double().mean())
        if self.steps < steps:
            self._mask = torch.arange(steps, device=x.device)[:, None] < lengths.to(x.device)

    def __call__(self, x: Tensor) -> Tensor:
        # Convolutions see time and lanes as one axis; what has no time, such as the answer for a recording, is real.
        if self._mask is not None and x.ndim > 2 and x.shape[:2] == self._mask.shape:
            return x[self._mask]
        if self._mask is not None and len(x) == self._mask.numel():
            return x[self._mask.flatten()]
        return x


@dataclass
class _Seen:
    """What the hooks added up for one module over the calls of one forward."""

    operations: int = 0
    values: int = 0
    active: int = 0
    binary: bool = True
    folded: str | None = None

    def look(self, x: Tensor) -> None:
        self.values += x.numel()
        self.active += int(torch.count_nonzero(x))
        self.binary = self.binary and bool(((x == 0) | (x == 1)).all())


def _layer_cost(name: str, module: nn.Module, counted: _Seen, lanes: float, energy: Energy) -> LayerCost:
    macs = counted.operations / lanes
    rate = counted.active / counted.values
    free = counted.binary and isinstance(module, WEIGHTED)
    accumulates = counted.active * counted.operations / (counted.values * lanes) if free else 0.0
    return LayerCost(
        name=name,
        kind=type(module).__name__,
        parameters=sum(p.numel() for p in module.parameters(recurse=False)),
        macs=macs,
        input_rate=rate,
        multiplication_free=free,
        accumulates=accumulates,
        energy_pj=accumulates * energy.accumulate if free else macs * energy.mac,
        ann_energy_pj=macs * energy.mac,
        folded=counted.folded,
    )


def _neuron_cost(name: str, module: nn.Module, counted: _Seen, lanes: float) -> NeuronCost:
    return NeuronCost(
        name=name,
        kind=type(module).__name__,
        parameters=sum(p.numel() for p in module.parameters()),
        neurons=counted.values / lanes,
        firing_rate=counted.active / counted.values if counted.binary else None,
    )


# By the address of what a layer put out: its name, the tensor and how often it had been changed in place.
_Products = dict[int, tuple[str, Tensor, int]]


@contextmanager
def _counting(net: nn.Module, seen: dict[str, _Seen], real: _Real) -> Iterator[None]:
    """Count into `seen` what every known module does; no hook is left behind."""
    products: _Products = {}
    handles = []
    try:
        for name, module in net.named_modules():
            if isinstance(module, WEIGHTED):
                handles.append(module.register_forward_hook(_weighted(name, seen, products, real)))
            elif isinstance(module, _BatchNorm):
                handles.append(module.register_forward_hook(_norm(name, seen, products, real)))
            elif isinstance(module, Product):
                handles.append(module.register_forward_hook(_product(name, seen, real)))
            elif hasattr(module, "macs"):
                handles.append(module.register_forward_hook(_own(name, seen, real)))
            elif owns_memory(module):
                handles.append(module.register_forward_hook(_neurons(name, seen, real)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _weighted(name: str, seen: dict[str, _Seen], products: _Products, real: _Real) -> Callable:
    def hook(module: Any, inputs: tuple[Tensor, ...], y: Tensor) -> None:
        counted = seen.setdefault(name, _Seen())
        # The weight is [out, in / groups, kernel...]: one output sums over all but the first axis.
        counted.operations += real(y).numel() * module.weight[0].numel()
        counted.look(real(inputs[0]))
        # Kept alive until the end, so that no later tensor can take over the address that a norm is compared by.
        products[y.untyped_storage().data_ptr()] = (name, y, y._version)

    return hook


def _norm(name: str, seen: dict[str, _Seen], products: _Products, real: _Real) -> Callable:
    def hook(module: nn.Module, inputs: tuple[Tensor, ...], y: Tensor) -> None:
        counted, x = seen.setdefault(name, _Seen()), inputs[0]
        source, _, version = products.get(x.untyped_storage().data_ptr(), (None, None, -1))
        # A changed version is an activation in place between the two: then nothing folds.
        if source is not None and version == x._version:
            seen[source].folded = name
        else:
            counted.operations += real(y).numel()
            counted.look(real(x))

    return hook


def _product(name: str, seen: dict[str, _Seen], real: _Real) -> Callable:
    def hook(module: nn.Module, inputs: tuple[Tensor, ...], y: Tensor) -> None:
        counted = seen.setdefault(name, _Seen())
        counted.operations += real(y).numel()
        counted.look(real(inputs[0]))

    return hook


def _own(name: str, seen: dict[str, _Seen], real: _Real) -> Callable:
    def hook(module: Any, inputs: tuple[Tensor, ...], y: Tensor) -> None:
        counted = seen.setdefault(name, _Seen())
        counted.operations += real(y).numel() * module.macs
        counted.look(real(inputs[0]))

    return hook


def _neurons(name: str, seen: dict[str, _Seen], real: _Real) -> Callable:
    def hook(module: nn.Module, inputs: tuple[Any, ...], y: Any) -> None:
        seen.setdefault(name, _Seen()).look(real(y[0] if isinstance(y, tuple) else y))

    return hook
