"""Pictures as text: SVG that takes the colours of the page, PNG as a data address."""

import base64
import io
import re
import zlib
from collections.abc import Callable, Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ranvier import plot


def svg(draw: Callable[[Figure], None], *, width: float, height: float) -> str:
    """Return what `draw` puts on a figure of `width` x `height` inches, in the page's ink, font and colours."""
    with matplotlib.rc_context(plot.STYLE):
        figure = Figure(figsize=(width, height), layout="constrained", dpi=150)
        draw(figure)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    for colour, name in ((plot.INK, "ink"), (plot.AMBER, "amber"), (plot.BLUE, "blue")):
        text = text.replace(colour, f"var(--{name})")
    # Two inline pictures on one page must not share the names of their parts.
    prefix = f"f{zlib.crc32(text.encode()):08x}"
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}-", text)
    return re.sub(r"font: ([^;\"]*?)(\d[\d.]*)px [^;\"]*", r"font: \g<1>\g<2>px inherit", text)


def picture(image: NDArray[np.uint8]) -> str:
    """Return an image uint8 `[H, W, 3]` or `[H, W, 4]` as a data address."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="png", optimize=True)
    return png(buffer.getvalue())


def png(content: bytes) -> str:
    """Return a PNG file, still or moving, as a data address."""
    return "data:image/png;base64," + base64.b64encode(content).decode()


def step_by_step(
    x: Tensor, spikes: Mapping[str, Tensor], logits: Tensor, classes: Sequence[str], *, step_ms: float
) -> str:
    """Return one recording over time: frames `[T, C, H, W]`, a raster for each layer, the running answer."""
    rows = len(spikes) + 2

    def draw(figure: Figure) -> None:
        grid = figure.subplots(rows, 1, sharex=True, gridspec_kw={"height_ratios": [1.3, *[1] * len(spikes), 1.5]})
        strip = grid[0]
        height = x.shape[-2]
        for k, frame in enumerate(x):
            strip.imshow(
                plot.frame_image(frame),
                extent=(k * step_ms, (k + 0.96) * step_ms, height, 0),
                aspect="auto",
                interpolation="nearest",
            )
        strip.set_ylim(height, 0)
        strip.set_yticks([])
        strip.set_ylabel("events", rotation=0, ha="right", va="center")
        strip.spines[:].set_visible(False)
        for ax, (name, fired) in zip(grid[1:-1], spikes.items(), strict=True):
            plot.raster(ax, fired, rows=40, step_ms=step_ms)
            ax.set_ylabel(name, rotation=0, ha="right", va="center")
        plot.answers(grid[-1], logits, classes, step_ms=step_ms)
        grid[-1].set_ylabel("answer", rotation=0, ha="right", va="center")
        for ax in grid[:-1]:
            ax.tick_params(bottom=False)

    return svg(draw, width=9.6, height=1.0 + 0.95 * rows)
