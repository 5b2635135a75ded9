"""How results look on a terminal."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table
from rich.text import Text

from ranvier.colours import AMBER, BLUE, rgb

if TYPE_CHECKING:
    from ranvier.recipes import Task

BARS = "▏▎▍▌▋▊▉█"


def score_line(result: Mapping[str, Any], task: "Task") -> str:
    """Return the score with the number of recordings, the number to expect and what simple models reach."""
    line = f"{task.metric_name} [bold]{task.shown(result[task.metric])}[/] on {result['samples']:,} held-out recordings"
    if result.get("expected"):
        line += f" (expected {task.shown(result['expected']['value'])}, {result['expected']['source']})"
    if result.get("baselines"):
        beside = (f"{name} {task.shown(found[task.metric])}" for name, found in result["baselines"].items())
        line += f"; beside it {', '.join(beside)}"
    return line


def bar(share: float, width: int = 20) -> str:
    """Return a bar of eighths of a character for a share in 0..1.

    >>> bar(0.5, width=4)
    '██  '
    """
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    return ("█" * (eighths // 8) + (BARS[eighths % 8 - 1] if eighths % 8 else "")).ljust(width)


def facts(pairs: Mapping[str, str]) -> Table:
    """Return a table of names and values."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, value in pairs.items():
        table.add_row(f"[bright_black]{name}[/]", value)
    return table


def density_picture(on: np.ndarray, off: np.ndarray, *, columns: int = 72) -> Text:
    """Return event counts `[H, W]` as half blocks, two pixels a character: amber ON, blue OFF, both bright."""
    scale = max(1, -(-on.shape[1] // columns))
    on, off = (_shrink(image, scale) for image in (on, off))
    total = on + off
    bright = np.quantile(total[total > 0], 0.98) if (total > 0).any() else 1.0
    share = np.where(total > 0, on / np.maximum(total, 1e-9), 0.0)[..., None]
    light = np.sqrt(np.clip(total / bright, 0, 1))[..., None]
    colour = (light * (share * rgb(AMBER) + (1 - share) * rgb(BLUE))).astype(int)
    if len(colour) % 2:
        colour = np.concatenate([colour, np.zeros_like(colour[:1])])
    text = Text()
    for upper, lower in zip(colour[::2], colour[1::2], strict=True):
        for top, bottom in zip(upper, lower, strict=True):
            text.append("▀", style=f"rgb({','.join(map(str, top))}) on rgb({','.join(map(str, bottom))})")
        text.append("\n")
    return text


def _shrink(image: np.ndarray, scale: int) -> np.ndarray:
    height, width = (-(-size // scale) * scale for size in image.shape)
    padded = np.zeros((height, width))
    padded[: image.shape[0], : image.shape[1]] = image
    return padded.reshape(height // scale, scale, width // scale, scale).sum((1, 3))
