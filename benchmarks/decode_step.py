"""Decoders bin by bin, as a rig feeds them: the time of a step, beside other ways to take it, and over an hour.

Every rival answers the same counts of 96 channels, in turns of some hundred bins. "the window again" computes the last
second, 20 bins of 50 ms, anew for every bin: what is done with a network that carries no memory.
"""

import itertools
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.gate import check
from benchmarks.harness import Row, Settings, row
from ranvier import models
from ranvier.models.decoder import NeuralDecoder
from ranvier.recipes import Decoder
from ranvier.recipes.decoder import Backbone
from ranvier.stream import Latencies, StreamingDecoder
from ranvier.stream.engine import ENGINES, fastest

SIZES = {
    "full": tuple(itertools.product((64, 128, 256, 512), (2, 4))),
    "quick": ((128, 2), (256, 2)),
    "tiny": ((32, 1),),
}
STEPS = {"full": 10_000, "quick": 1000, "tiny": 20}
TURN = {"full": 500, "quick": 100, "tiny": 20}
# Of each turn, not timed: the caches are another rival's.
WARM_UP = 20
WINDOW = 20
# A window takes so many times as long as a step.
WINDOWS = 10
# An hour of bins of 50 ms, and how many of them are the beginning and the end.
HOUR = {"full": (72_000, 1000), "quick": (4000, 500), "tiny": (60, 20)}
# Of the 99th percentile in ms on a machine that does nothing else (issue 5).
TARGETS = {(256, 2): dict.fromkeys(get_args(Backbone), 0.5), (128, 2): dict.fromkeys(("gru", "rwkv", "mamba"), 0.2)}
# Of the largest answer: a rounding error makes a spike of its own here and there, and eight bits round every weight.
# How far that reaches into R² is not for a clock to say.
RTOL, ROUGH = 1e-4, 0.1

BACKBONES: tuple[Backbone, ...] = get_args(Backbone)
Push = Callable[[NDArray], object]


def run(settings: Settings) -> list[Row]:
    """Return percentiles of a step by size, then what an hour of bins does to them."""
    rows = []
    for width, layers in SIZES[settings.size]:
        rows += _steps(width, layers, settings)
    for backbone in BACKBONES:
        rows += _hour(backbone, settings)
    return rows


def _net(backbone: Backbone, width: int, layers: int) -> NeuralDecoder:
    torch.manual_seed(0)
    net = models.build(Decoder(backbone=backbone, width=width, layers=layers)).eval()
    assert isinstance(net, NeuralDecoder)
    with torch.no_grad():
        # RWKV starts as the identity, which no check could tell from a wrong answer.
        for parameter in net.backbone.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3 * width**-0.5)
    return net


def _counts(bins: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).poisson(0.5, (bins, 96)).astype(np.uint8)


def _steps(width: int, layers: int, settings: Settings) -> list[Row]:
    turn, column = TURN[settings.size], f"d={width}, {layers} layers"
    x = _counts(turn + WARM_UP)
    rivals: dict[str, Push] = {}
    targets, missing, memories = {}, [], []
    for backbone in BACKBONES:
        net = _net(backbone, width, layers)
        expected = _whole(net, x)
        for engine in ENGINES:
            name = f"{backbone}, {engine}"
            try:
                decoder = StreamingDecoder(net, engine=engine)  # type: ignore[arg-type]
            except RuntimeError as error:
                missing.append(row(name, None, "ms", column=column, note=str(error)))
                continue
            answers = torch.from_numpy(np.stack([decoder.push(counts) for counts in x]))
            check(name, answers, expected, rtol=ROUGH if backbone == "spiking" or "int8" in engine else RTOL)
            rivals[name] = decoder.push
        # The last engine is torch, which is there whatever else is not.
        memories.append(row(backbone, _bytes(decoder) / 1024, "KiB of memory", column=column, better="lower"))
        # What "auto" takes is what is promised.
        targets[f"{backbone}, {fastest()}"] = TARGETS.get((width, layers), {}).get(backbone)
        rivals[f"{backbone}, the window again"] = _window(net)
        # Writing a file takes seconds: only where something is promised.
        exported = {f"{backbone}, ONNX Runtime": _onnx} if (width, layers) in TARGETS else {}
        for peer, make in {**exported, **PEERS.get(backbone, {})}.items() if settings.peers else ():
            try:
                push = make(net, width, layers)
            except ImportError as error:
                missing.append(row(peer, None, "ms", column=column, note=f"{type(error).__name__}: {error}"))
                continue
            answers = torch.stack([push(counts).flatten() for counts in x])
            check(peer, answers, expected, rtol=ROUGH if backbone == "spiking" else RTOL)
            rivals[peer] = push
    latencies = _in_turns(rivals, x, rounds=STEPS[settings.size] // turn)
    rows = []
    for name, taken in latencies.items():
        for percent in (50, 95, 99):
            rows.append(
                row(
                    f"{name}: p{percent}",
                    1e3 * taken.percentile(percent),
                    "ms",
                    column=column,
                    better="lower",
                    target=targets.get(name) if percent == 99 else None,
                )
            )
    return rows + missing + memories


def _in_turns(rivals: dict[str, Push], x: NDArray, *, rounds: int) -> dict[str, Latencies]:
    latencies = {name: Latencies() for name in rivals}
    for _ in range(rounds):
        for name, push in rivals.items():
            timed = len(x) - WARM_UP
            stop = WARM_UP + (max(1, timed // WINDOWS) if "window" in name else timed)
            for seconds in itertools.islice(_timed(push, x[:stop]), WARM_UP, None):
                latencies[name].add(seconds)
    return latencies


def _timed(push: Push, x: NDArray) -> Iterator[float]:
    for counts in x:
        begin = time.perf_counter()
        push(counts)
        yield time.perf_counter() - begin


def _whole(net: NeuralDecoder, x: NDArray) -> Tensor:
    with torch.inference_mode():
        return net(torch.from_numpy(x).float().unsqueeze(1))[:, 0]


def _window(net: NeuralDecoder) -> Push:
    window = torch.zeros(WINDOW, 1, 96)

    def push(counts: NDArray) -> Tensor:
        window[:-1] = window[1:].clone()
        window[-1, 0] = torch.from_numpy(counts)
        with torch.inference_mode():
            return net(window)[-1, 0]

    return push


def _torch_gru(net: NeuralDecoder, width: int, layers: int) -> Callable[[NDArray], Tensor]:
    gru = nn.GRU(width, width, layers)
    gru.load_state_dict(net.backbone.state_dict())
    return _stepped(net, gru, None)


def _mambapy(net: NeuralDecoder, width: int, layers: int) -> Callable[[NDArray], Tensor]:
    from mambapy.mamba import Mamba, MambaConfig  # type: ignore[import-not-found]

    body = Mamba(MambaConfig(d_model=width, n_layers=layers)).eval()
    names = {
        **{"in_proj.weight": "inputs.weight", "conv1d.weight": "taps", "conv1d.bias": "taps_bias"},
        **{"x_proj.weight": "select.weight", "dt_proj.weight": "steps.weight", "dt_proj.bias": "steps.bias"},
        **{"A_log": "log_a", "D": "d", "out_proj.weight": "outputs.weight"},
    }
    ours = net.backbone.state_dict()
    weights = {f"layers.{i}.norm.weight": ours[f"{i}.body.0.weight"] for i in range(layers)}
    weights |= {
        f"layers.{i}.mixer.{theirs}": ours[f"{i}.body.1.{name}"]
        for i in range(layers)
        for theirs, name in names.items()
    }
    body.load_state_dict({name: w.unsqueeze(1) if "conv1d.weight" in name else w for name, w in weights.items()})
    norm = net.backbone[layers]  # type: ignore[index]

    def step(x: Tensor, caches: Any) -> tuple[Tensor, Any]:
        y, caches = body.step(x[0], caches)
        return norm(y)[None], caches

    return _stepped(net, step, [(None, torch.zeros(1, 2 * width, 3)) for _ in range(layers)])


def _stepped(net: NeuralDecoder, body: Callable[..., Any], memory: Any) -> Callable[[NDArray], Tensor]:
    """Return what anybody would write around a recurrent layer."""
    adapter, readout = nn.Linear(96, net.adapter.weight.shape[1]), net.readout
    adapter.load_state_dict({"weight": net.adapter.weight[0], "bias": net.adapter.bias[0]})

    def push(counts: NDArray) -> Tensor:
        nonlocal memory
        with torch.inference_mode():
            y, memory = body(adapter(torch.from_numpy(counts).float()[None, None]), memory)
            return readout(y)

    return push


def _onnx(net: NeuralDecoder, width: int, layers: int) -> Callable[[NDArray], Tensor]:
    from ranvier.export import export_step, load_step

    with tempfile.TemporaryDirectory() as folder:
        export_step(net, Path(folder) / "step.onnx", x=torch.zeros(1, 96))
        step = load_step(Path(folder) / "step.onnx")
    memory = step.rest()

    def push(counts: NDArray) -> Tensor:
        nonlocal memory
        y, memory = step(counts[None].astype(np.float32), memory)
        return torch.from_numpy(y)

    return push


PEERS = {"gru": {"torch.nn.GRU": _torch_gru}, "mamba": {"mambapy": _mambapy}}


def _bytes(decoder: StreamingDecoder) -> int:
    return sum(tensor.nbytes for tensor in decoder.memory().values())


def _hour(backbone: Backbone, settings: Settings) -> list[Row]:
    """Time the steps of an hour, and compare its end with its beginning."""
    bins, edge = HOUR[settings.size]
    width, layers = (32, 1) if settings.size == "tiny" else (128, 2)
    decoder, x = StreamingDecoder(_net(backbone, width, layers)), _counts(1000)
    for counts in x[: edge // 10]:
        decoder.push(counts)
    hour, taken = x[np.arange(bins) % len(x)], np.zeros(bins)
    memory, before = _bytes(decoder), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for t, seconds in enumerate(_timed(decoder.push, hour)):
        taken[t] = seconds
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert np.isfinite(decoder.push(x[0])).all()
    assert _bytes(decoder) == memory
    column = f"d={width}, {layers} layers, {bins:,} bins"
    measured = partial(row, unit="ms", column=column, better="lower")
    first, last = (1e3 * float(np.median(part)) for part in (taken[:edge], taken[-edge:]))
    note = f"the process has grown by {grown / 1024:.1f} MiB"
    return [
        measured(f"{backbone}: median of the first {edge:,}", first),
        measured(f"{backbone}: median of the last {edge:,}", last, note=note),
    ]
