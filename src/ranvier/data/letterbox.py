"""An image of any shape fitted into another one."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ranvier.data.boxes import Boxes


@dataclass(frozen=True)
class Letterbox:
    """Scale an image by one factor until it fits, put it in the middle, and fill the rest with zeros.

    From a sensor of (width, height) = (W, H) to a size of (height, width) = (h, w), with `r = min(h / H, w / W)`:

        x' = round(r x) + left,  y' = round(r y) + top;   left, top = floor((w, h) - round(r (W, H))) / 2)

    and the value of a pixel is that of the nearest pixel to the top left.

    >>> box = Letterbox(sensor=(304, 240), size=(256, 256))
    >>> box.boxes(Boxes(torch.tensor([[100.0, 100, 50, 40]]), torch.tensor([0]))).xywh
    tensor([[ 84., 111.,  42.,  34.]])
    >>> box.undo(torch.tensor([[84.0, 111, 42, 34]]))
    tensor([[99.7500, 99.7500, 49.8750, 40.3750]])

    Source: the released input pipeline of SpikeFPN.
    """

    sensor: tuple[int, int]
    size: tuple[int, int]

    @property
    def ratio(self) -> float:
        """Pixels of the result a pixel of the sensor."""
        (width, height), (rows, columns) = self.sensor, self.size
        return min(rows / height, columns / width)

    @property
    def inner(self) -> tuple[int, int]:
        """Height and width of the scaled image."""
        width, height = self.sensor
        return round(self.ratio * height), round(self.ratio * width)

    @property
    def corner(self) -> tuple[int, int]:
        """Left and top of the scaled image."""
        (rows, columns), (high, wide) = self.size, self.inner
        return (columns - wide) // 2, (rows - high) // 2

    def image(self, x: Tensor) -> Tensor:
        """Return an image, or many, at the new size: `[..., H, W]` to `[..., h, w]`.

        Raises:
            ValueError: an image that is not of the sensor's size.
        """
        width, height = self.sensor
        if x.shape[-2:] != (height, width):
            raise ValueError(
                f"expected images [..., {height}, {width}] of the {width}x{height} sensor, got {tuple(x.shape)}"
            )
        (high, wide), (left, top) = self.inner, self.corner
        # Whole numbers: a product with 1 / ratio may fall just short of the next pixel.
        rows, columns = torch.arange(high) * height // high, torch.arange(wide) * width // wide
        y = x.new_zeros(*x.shape[:-2], *self.size)
        y[..., top : top + high, left : left + wide] = x[..., rows[:, None], columns]
        return y

    def boxes(self, boxes: Boxes) -> Boxes:
        """Return boxes in pixels of the result, rounded to whole ones; those that lose their area are left out."""
        xywh = (boxes.xywh * self.ratio).round()
        xywh[:, :2] += torch.tensor(self.corner)
        keep = (xywh[:, 2:] > 0).all(dim=1)
        return Boxes(xywh[keep], boxes.label[keep])

    def undo(self, xywh: Tensor) -> Tensor:
        """Return boxes `[..., 4]` found in the result in pixels of the sensor, not rounded, and cut at its edge."""
        corner, size = xywh.split(2, -1)
        corner = (corner - xywh.new_tensor(self.corner)) / self.ratio
        ends = torch.stack([corner, corner + size / self.ratio]).clamp(min=0).minimum(xywh.new_tensor(self.sensor))
        return torch.cat([ends[0], ends[1] - ends[0]], -1)
