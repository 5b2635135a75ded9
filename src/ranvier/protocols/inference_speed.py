"""How fast a decoder answers: a step of a stream, a window run anew at each step, whole sequences at once."""

import time
from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from ranvier import models
from ranvier.audit import audit
from ranvier.carry import Carry
from ranvier.models.decoder import NeuralDecoder
from ranvier.plot import round_ticks
from ranvier.protocols.bench import Bench
from ranvier.protocols.shown import LOOKS, grouped
from ranvier.quantity import count, memory
from ranvier.recipes import Decoder
from ranvier.recipes.protocols import InferenceSpeed
from ranvier.report.table import Table
from ranvier.stream import StreamingDecoder

WINDOW_S, SEQUENCE_S = 1.0, 10.0
RATE_HZ = 10.0
"""Spikes a second of each unit of the made input."""


def measure(protocol: InferenceSpeed, bench: Bench) -> dict[str, Any]:
    """Time every network on one lane, with random weights, which cost what others do."""
    rows = []
    for backbone, layers, width in product(protocol.backbones, protocol.depths, protocol.widths):
        config = Decoder(in_channels=protocol.channels, backbone=backbone, width=width, layers=layers)
        settings = {"steps": protocol.steps, "bin_ms": protocol.bin_ms, "channels": protocol.channels}
        settings |= {"device": bench.device, "threads": torch.get_num_threads()}
        timed = partial(_timed, protocol, config, bench.device)
        found = bench.once(f"{backbone}-{layers}-layers-of-{width}", settings, timed)
        rows.append({"backbone": backbone, "layers": layers, "width": width} | found)
    return {"rows": rows, "bin_ms": protocol.bin_ms}


def step_latency(net: NeuralDecoder, x: Tensor, *, steps: int) -> dict[str, float]:
    """Return the median and the 95th and 99th percentile of the time of a step in ms, on bins `[T, 1, units]`.

    On a CPU a step is one of `StreamingDecoder`, as a user would take it. A tenth as many steps, but at least 100, go
    before those that are timed.
    """
    push, bins = (_on_cuda(net), x) if x.is_cuda else (StreamingDecoder(net).push, x[:, 0].numpy())
    warm, times = max(100, steps // 10), []
    for step in range(warm + steps):
        one = bins[step % len(bins)]
        start = time.perf_counter()
        push(one)
        times.append(1000 * (time.perf_counter() - start))
    p50, p95, p99 = np.percentile(times[warm:], (50, 95, 99)).tolist()
    return {"p50_ms": p50, "p95_ms": p95, "p99_ms": p99}


def _on_cuda(net: NeuralDecoder) -> Callable[[Any], None]:
    carry = Carry()

    def push(one: Tensor) -> None:
        with torch.inference_mode():
            net(one.unsqueeze(0), carry)
        torch.cuda.synchronize()

    return push


def state_bytes(net: NeuralDecoder, x: Tensor) -> int:
    """Return the size of the memory of one lane."""
    carry = Carry()
    with torch.inference_mode():
        net(x[:1], carry)
    return sum(tensor.nbytes for state in carry.values() for tensor in state.values())


def tables(found: dict[str, Any]) -> list[Table]:
    """Return a row for each network."""
    cells = [
        (
            row["backbone"],
            f"{row['width']}",
            f"{row['layers']}",
            *(f"{row[key]:.3f}" for key in ("p50_ms", "p95_ms", "p99_ms", "window_ms")),
            count(row["bins_per_s"]),
            count(row["parameters"]),
            memory(row["state_bytes"]),
            count(row["macs"]),
        )
        for row in found["rows"]
    ]
    heads = ("decoder", "width", "layers", "step p50, ms ↓", "p95", "p99", "window, ms ↓", "bins/s ↑")
    notes = (
        f"One lane, bins of {found['bin_ms']:g} ms; window: {WINDOW_S:g} s run anew for each bin, median; bins/s: "
        f"{SEQUENCE_S:g} s in one call",
    )
    heads = (*heads, "parameters", "memory", "MACs a step")
    return [Table("inference-speed", heads, tuple(cells), names=1, notes=notes)]


def draw(figure: Figure, found: dict[str, Any]) -> None:
    """Draw the median latency over the width: solid as a stream, faint with the window run anew."""
    depths = grouped(found["rows"], "layers")
    figure.set_size_inches(4.5 * len(depths), 3.5)
    axes = figure.subplots(1, len(depths), squeeze=False, sharey=True)[0]
    for ax, (layers, rows) in zip(axes, depths.items(), strict=True):
        for backbone, same in grouped(rows, "backbone").items():
            widths = [row["width"] for row in same]
            ax.plot(widths, [row["p50_ms"] for row in same], label=backbone, **LOOKS[backbone])
            ax.plot(widths, [row["window_ms"] for row in same], alpha=0.3, **LOOKS[backbone])
        ax.set_xscale("log", base=2)
        ax.set_yscale("log")
        round_ticks(ax.yaxis, count)
        ax.set_xticks(widths, [str(width) for width in widths])
        ax.set_xlabel("width")
        ax.set_title(f"layers: {layers}; faint: {WINDOW_S:g} s run anew for each bin", weight="bold")
    axes[0].set_ylabel("ms a step, median")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right upper")


def _timed(protocol: InferenceSpeed, config: Decoder, device: str) -> dict[str, Any]:
    torch.manual_seed(0)
    net = models.build(config).eval().to(device)
    assert isinstance(net, NeuralDecoder)
    window, length = (round(1000 * s / protocol.bin_ms) for s in (WINDOW_S, SEQUENCE_S))
    x = torch.poisson(torch.full((length, 1, protocol.channels), RATE_HZ * protocol.bin_ms / 1000)).to(device)
    runs = max(5, protocol.steps // 20)
    return {
        **step_latency(net, x, steps=protocol.steps),
        "window_ms": _median_ms(net, x[:window], runs),
        "bins_per_s": 1000 * length / _median_ms(net, x, max(3, runs // 5)),
        "parameters": sum(p.numel() for p in net.parameters()),
        "state_bytes": state_bytes(net, x),
        "macs": audit(net, x[:100]).macs,
    }


def _median_ms(net: NeuralDecoder, x: Tensor, runs: int) -> float:
    """Return the median time of a call from rest."""
    wait = torch.cuda.synchronize if x.is_cuda else lambda: None
    times = []
    with torch.inference_mode():
        for _ in range(2 + runs):
            wait()
            start = time.perf_counter()
            net(x)
            wait()
            times.append(1000 * (time.perf_counter() - start))
    return float(np.median(times[2:]))
