"""Draw on images uint8 `[H, W, 3]`, fast enough to follow a camera; every function returns a new image."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFont
from torch import Tensor

from ranvier.colours import AMBER, BLUE, GROUND, PAPER, rgb
from ranvier.recipes.data import Stacking

RGB = NDArray[np.uint8]

# From so many events on a pixel shines its brightest: no scale that moves with the scene, which would flicker.
BRIGHTEST = 4
# How much of its colour a region has; events that lie on it stay brighter.
REGION = 0.36
# Red, green and blue together: a colour above it wants dark text.
MIDDLE = 400


def event_image(x: Tensor, *, stacking: Stacking) -> RGB:
    """Return the events of one time step `[C, H, W]` on a dark ground: ON amber, OFF blue, both in between.

    `stacking` is how the step was made: `counts` and `binary` have OFF and ON events as their two channels, the others
    any number of channels with signs.
    """
    values = x.detach().cpu().numpy()
    if stacking in ("counts", "binary"):
        off, on = (np.minimum(count, BRIGHTEST).astype(np.uint8) for count in values)
    elif stacking == "signed":
        off, on = (np.clip(count, 0, BRIGHTEST).astype(np.uint8) for count in (-values[0], values[0]))
    else:
        off, on = (_bins(sign).clip(max=BRIGHTEST) for sign in (values < 0, values > 0))
    return np.asarray(_coloured(off * np.uint8(BRIGHTEST + 1) + on, _shades()))


def _bins(sign: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return in how many of the bins `[C, H, W]` each pixel has the sign; `sum` would count in 64 bits."""
    return np.add.reduce(sign.view(np.uint8), axis=0, dtype=np.uint8)


def _coloured(index: NDArray[np.uint8], palette: RGB) -> Image.Image:
    picture = Image.fromarray(index)
    picture.putpalette(palette.tobytes())
    return picture.convert("RGB")


@lru_cache(1)
def _shades() -> RGB:
    """Colour of a pixel with `i // (BRIGHTEST + 1)` OFF and `i % (BRIGHTEST + 1)` ON events."""
    off, on = np.divmod(np.arange((BRIGHTEST + 1) ** 2, dtype=np.float64)[:, None], BRIGHTEST + 1)
    share = on / np.maximum(on + off, 1)
    colour = share * rgb(AMBER) + (1 - share) * np.array(rgb(BLUE))
    # The root lifts single events out of the ground.
    strength = np.sqrt(np.minimum((on + off) / BRIGHTEST, 1))
    return (strength * colour + (1 - strength) * np.array(rgb(GROUND))).round().astype(np.uint8)


def enlarging(width: int, height: int, *, wanted: int = 480) -> int:
    """Return the whole number by which a small image is enlarged, so that its longer side has `wanted` pixels or more.

    >>> enlarging(96, 96), enlarging(640, 480)
    (5, 1)
    """
    return -(-wanted // max(width, height))


def enlarge(image: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Return an image, or a map of labels, with each pixel as a square of `factor` x `factor`.

    Raises:
        ValueError: a factor below 1.
    """
    if factor < 1:
        raise ValueError(f"expected a factor of 1 or more, got {factor}")
    return image.repeat(factor, axis=0).repeat(factor, axis=1)


def draw_mask(image: RGB, labels: ArrayLike, colours: Sequence[str | None], *, factor: int = 1) -> RGB:
    """Lay the regions of a label map `[H, W]` under the events, each with a line around it.

    Label k has `colours[k]`; those with `None`, and labels beyond the last colour, are left clear.

    Raises:
        ValueError: image and label map differ in size.
    """
    labels = enlarge(np.asarray(labels).astype(np.uint8, copy=False), factor)
    if labels.shape != image.shape[:2]:
        raise ValueError(
            f"expected labels of the image's size {image.shape[:2]} after enlarging by factor={factor}, "
            f"got {labels.shape}"
        )
    palette = np.zeros((256, 3), np.uint8)
    coloured = np.zeros(256, bool)
    for k, colour in enumerate(colours):
        if colour is not None:
            palette[k], coloured[k] = rgb(colour), True
    regions = _coloured(labels, (REGION * palette).astype(np.uint8))
    picture = ImageChops.lighter(Image.fromarray(image), regions)
    picture.paste(_coloured(labels, palette), mask=Image.fromarray(_borders(labels, coloured)))
    return np.asarray(picture)


def _borders(labels: NDArray[np.uint8], coloured: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return 255 on the coloured side of every change of label."""
    border = np.zeros(labels.shape, bool)
    across, down = labels[:, 1:] != labels[:, :-1], labels[1:] != labels[:-1]
    border[:, 1:] |= across
    border[:, :-1] |= across
    border[1:] |= down
    border[:-1] |= down
    return (border & coloured[labels]).astype(np.uint8) * np.uint8(255)


def draw_boxes(
    image: RGB,
    xywh: ArrayLike,
    names: Sequence[str],
    scores: Sequence[float] | None,
    colours: Sequence[str],
    *,
    factor: int = 1,
) -> RGB:
    """Draw boxes `[N, 4]` (left, top, width, height in pixels before enlarging), each with its name and score.

    `names`, `scores` and `colours` have one entry a box; the first box comes to lie on top. Boxes are cut at the edge
    of the image, and those that do not reach it are left out.
    """
    picture = Image.fromarray(image)
    draw = ImageDraw.Draw(picture)
    font, height = _font(image.shape[0])
    if scores is not None:
        names = [f"{name} · {100 * score:.0f} %" for name, score in zip(names, scores, strict=True)]
    boxes = np.asarray(xywh, np.float64).reshape(-1, 4) * factor
    boxes[:, 2:] += boxes[:, :2]
    boxes = boxes.clip(0, picture.size * 2).round().tolist()
    shown = [
        (box, text, colour)
        for box, text, colour in zip(boxes, names, colours, strict=True)
        if box[2] > box[0] and box[3] > box[1]
    ][::-1]
    for (left, top, right, bottom), _, colour in shown:
        draw.rectangle((left - 1, top - 1, right, bottom), outline=GROUND)
        draw.rectangle((left, top, right - 1, bottom - 1), outline=colour, width=2)
    for (left, top, _, _), text, colour in shown:
        wide = draw.textlength(text, font) + height // 2
        # Above the box where there is room, else inside; never beyond the right edge.
        x, y = max(0, min(left, picture.width - wide)), top - height if top >= height else top
        draw.rectangle((x, y, x + wide, y + height - 1), fill=colour)
        ink = GROUND if sum(rgb(colour)) > MIDDLE else PAPER
        draw.text((x + wide / 2, y + height / 2), text, ink, font, anchor="mm")
    return np.asarray(picture)


def draw_caption(image: RGB, text: str, *, names: Sequence[str] = (), colours: Sequence[str] = ()) -> RGB:
    """Write `text`, such as the time, at the bottom left, and behind it the names of what is seen in their colours."""
    picture = Image.fromarray(image)
    draw = ImageDraw.Draw(picture)
    font, height = _font(image.shape[0])
    x, y = height // 2, picture.height - height // 2
    for word, colour in ((text, PAPER), *zip(names, colours, strict=True)):
        draw.text((x, y), word, colour, font, anchor="ls", stroke_width=2, stroke_fill=GROUND)
        x += draw.textlength(word, font) + height // 2
    return np.asarray(picture)


@lru_cache(4)
def _font(image_height: int) -> tuple[ImageFont.FreeTypeFont | ImageFont.ImageFont, int]:
    """Return the font for an image of so many rows, and the height of a line of it."""
    size = min(max(11, image_height // 36), 16)
    return ImageFont.load_default(size), round(1.4 * size)
