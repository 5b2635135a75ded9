"""What `ranvier stream` keeps of decoded bins, says about them and draws."""

import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.quantity import seconds
from ranvier.stream import Latencies
from ranvier.stream.moments import Moment
from ranvier.stream.percentiles import RATIO, SHORTEST_S
from ranvier.tasks.r2 import R2

# What a picture can show.
SHOWN_S = 20.0
PERCENTILES = (50, 95, 99)


class Decoded:
    """Latencies, R² and the last 20 s of all bins so far, in constant memory."""

    def __init__(self, bin_s: float) -> None:
        self.bin_s = bin_s
        self.latencies, self.r2 = Latencies(), R2()
        self.longest_s = self.largest_lag_s = 0.0
        self.late = 0
        self.last: deque[tuple[Moment, NDArray]] = deque(maxlen=max(2, round(SHOWN_S / bin_s)))

    def add(self, moment: Moment, velocity: NDArray, latency_s: float) -> None:
        """Count one bin and its answer."""
        self.latencies.add(latency_s)
        self.longest_s = max(self.longest_s, latency_s)
        self.late += latency_s > self.bin_s
        if moment.due is not None:
            self.largest_lag_s = max(self.largest_lag_s, time.monotonic() - moment.due)
        if moment.true is not None:
            self.r2.add(velocity[None], moment.true[None])
        self.last.append((moment, velocity))

    def end(self) -> dict[str, Any]:
        """Return the last line of JSON; `r2` is missing where nothing is known to have moved."""
        end: dict[str, Any] = {"bins": self.latencies.count}
        end |= {f"latency_p{p}_s": self.latencies.percentile(p) for p in PERCENTILES}
        end |= {"latency_max_s": self.longest_s, "slower_than_a_bin": self.late}
        end |= {"largest_lag_ms": 1000 * self.largest_lag_s}
        try:
            found = self.r2.result()
        except ValueError:
            return end
        return end | {"r2": found["r2"], "r2_per_axis": found["r2_per_axis"], "r2_bins": found["bins"]}

    def draw(self, path: Path, *, title: str, unit: str) -> None:
        """Write the last 20 s of each axis, and how long all answers took."""
        import matplotlib
        from matplotlib.figure import Figure

        from ranvier import plot
        from ranvier.colours import AMBER, BLUE

        t = np.array([moment.t_s for moment, _ in self.last])
        found = np.array([velocity for _, velocity in self.last])
        nothing = np.full(found.shape[1], np.nan)
        true = np.array([nothing if moment.true is None else moment.true for moment, _ in self.last])
        # No line leads from one piece of a recording into the next.
        breaks = [i for i, (moment, _) in enumerate(self.last) if moment.fresh and i]
        t, found, true = (np.insert(values.astype(float), breaks, np.nan, axis=0) for values in (t, found, true))
        with matplotlib.rc_context(plot.STYLE):
            figure = Figure(figsize=(9, 5.5), layout="constrained", dpi=150)
            *axes, histogram = figure.subplots(found.shape[1] + 1, 1, squeeze=False)[:, 0]
            for ax, letter, decoded, moved in zip(axes, "xyz", found.T, true.T, strict=False):
                if np.isfinite(moved).any():
                    ax.plot(t, moved, color=BLUE, label="true")
                ax.plot(t, decoded, color=AMBER, label="decoded")
                ax.set_ylabel(f"velocity {letter}" + (f" ({unit})" if unit else ""))
                ax.sharex(axes[0])
            axes[0].set_title(title, weight="bold")
            axes[0].legend(loc="upper right", ncols=2)
            axes[-1].set_xlabel("s")
            _draw_latencies(histogram, self.latencies)
            # Ink needs paper, as in every picture of curves.
            figure.savefig(path, format="png", facecolor="white")


def _draw_latencies(ax: Any, latencies: Latencies) -> None:
    from ranvier.colours import AMBER, INK
    from ranvier.plot import round_ticks

    taken = np.flatnonzero(latencies.bins)
    first, last = int(taken[0]), int(taken[-1]) + 1
    edges = SHORTEST_S * RATIO ** (np.arange(first, last + 1) - 0.5)
    ax.stairs(latencies.bins[first:last], edges, fill=True, color=AMBER)
    for percent in PERCENTILES:
        at = latencies.percentile(percent)
        ax.axvline(at, color=INK, linewidth=0.8)
        ax.annotate(f" p{percent}", (at, 1), xycoords=("data", "axes fraction"), va="top", fontsize=8)
    ax.set_xscale("log")
    round_ticks(ax.xaxis, seconds)
    ax.set_xlabel("latency of a bin")
    ax.set_ylabel("bins")


def sentences(end: dict[str, Any], *, split: str) -> Iterator[str]:
    """Say what `end` says."""
    if "r2" in end:
        axes = ", ".join(f"{r2:.3f}" for r2 in end["r2_per_axis"])
        where = "" if split == "all" else f" of the {split} split"
        yield f"R² [bold]{end['r2']:.3f}[/] (by axis {axes}) over {end['r2_bins']:,} bins{where}"
    if end["trained_on"]:
        yield "the run has learned from a part of this: --split test leaves that out"
    if end["lag_ms"]:
        yield f"each answer is the velocity {end['lag_ms']:g} ms after its bin"
    percentiles = ", ".join(f"p{p} {seconds(end[f'latency_p{p}_s'])}" for p in PERCENTILES)
    yield f"latency of a bin: {percentiles}, at most {seconds(end['latency_max_s'])}, over {end['bins']:,} bins"
    if end["slower_than_a_bin"]:
        yield f"{end['slower_than_a_bin']:,} answers took longer than a bin lasts"
    if end["largest_lag_ms"]:
        yield f"the latest answer came {end['largest_lag_ms']:.3g} ms after its bin was complete"
    if end["missed"]:
        yield f"{end['missed']:,} bins never came"
    if end.get("refused"):
        yield f"{end['refused']:,} lines made no sense, the last one {end['reason']}"
    if end.get("turned_away"):
        yield f"{end['turned_away']:,} clients were turned away"
