"""The colour frames of DSEC, moved into the view of its event camera."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ranvier.data.datasets.pictures import read_picture


class DSECFrames:
    """Frames of one sequence, by the time at which they were taken.

    images/left/rectified/*.png and images/timestamps.txt: frames and the microseconds of each
    calibration/cam_to_cam.yaml: how the cameras look

    Raises:
        FileNotFoundError: one of these is not there.
        ValueError: one of these is damaged, or there is no frame at one of the times.
    """

    def __init__(self, folder: Path, times: NDArray[np.int64], *, size: tuple[int, int]) -> None:
        pictures, taken = (
            sorted(folder.glob("images/left/rectified/*.png")),
            read_times(folder / "images/timestamps.txt"),
        )
        if len(pictures) != len(taken):
            raise ValueError(f"{folder}/images: got {len(pictures)} frames and {len(taken)} times, expected as many")
        at = dict(zip(taken.tolist(), pictures, strict=True))
        for absent in [time for time in times.tolist() if time not in at][:1]:
            raise ValueError(f"{folder}/images/timestamps.txt: no frame at {absent} us, the time of a mask")
        self.pictures = [at[time] for time in times.tolist()]
        self.view = _read_view(folder / "calibration/cam_to_cam.yaml")
        self.size = size

    def __getitem__(self, i: int) -> Tensor:
        """Read the frame at time i: `[3, H, W]` in 0..1, as the event camera would see it."""
        picture = read_picture(self.pictures[i]).convert("RGB")
        moved = picture.transform(self.size, Image.Transform.PERSPECTIVE, self.view, Image.Resampling.BILINEAR)
        return torch.from_numpy(np.array(moved)).permute(2, 0, 1) / 255


def frame_view(calibration: dict[str, Any]) -> tuple[float, ...]:
    """Return where in a frame a pixel of the events' view is, for a scene far away, as eight numbers `a` to `h`:

        column = (a x + b y + c) / (g x + h y + 1),    row = (d x + e y + f) / (g x + h y + 1)

    Whole numbers are corners of pixels, not their centres. With K the matrix of a rectified camera, R its rectifying
    rotation, and T the rotation from the event camera (0) to the frame camera (1), the nine numbers are proportional to
    `K_1 R_1 T R_0^T K_0^-1`.
    """
    intrinsics, extrinsics = calibration["intrinsics"], calibration["extrinsics"]
    turn = np.array(extrinsics["R_rect1"]) @ np.array(extrinsics["T_10"])[:3, :3] @ np.array(extrinsics["R_rect0"]).T
    events, frame = (_camera(*intrinsics[name]["camera_matrix"]) for name in ("camRect0", "camRect1"))
    matrix = frame @ turn @ np.linalg.inv(events)
    return tuple((matrix / matrix[2, 2]).ravel()[:8].tolist())


def _camera(fx: float, fy: float, cx: float, cy: float) -> NDArray[np.float64]:
    """Return the matrix of a camera whose calibration counts from the centre of the first pixel."""
    return np.array([[fx, 0, cx + 0.5], [0, fy, cy + 0.5], [0, 0, 1]])


def _read_view(path: Path) -> tuple[float, ...]:
    import yaml

    try:
        return frame_view(yaml.safe_load(_text(path)))
    except (yaml.YAMLError, KeyError, TypeError, ValueError, IndexError, np.linalg.LinAlgError) as error:
        raise ValueError(f"{path} is not a calibration of DSEC: {error!r}") from None


def read_times(path: Path) -> NDArray[np.int64]:
    """Read a text file of one time in microseconds a line.

    Raises:
        FileNotFoundError: there is none.
        ValueError: something else is in it.
    """
    try:
        return np.array(_text(path).split(), np.int64)
    except ValueError as error:
        raise ValueError(f"{path}: expected one time in microseconds a line: {error}") from None


def _text(path: Path) -> str:
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}: unpack the downloads of images and calibration beside the events")
    return path.read_text()
