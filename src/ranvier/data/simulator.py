"""An event camera looking at images: events where the logarithm of the intensity crosses a threshold."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ranvier.data.events import Events

# A level reached but for this share of a threshold counts as crossed, so that rounding never decides about an event.
_ROUNDING = 1e-6
_SMALLEST_THRESHOLD = 0.01


@dataclass(frozen=True, kw_only=True)
class Camera:
    """What the pixels of a simulated camera are like; the defaults are ideal pixels.

    Args:
        threshold_on: rise of the natural logarithm of the intensity that makes an ON event.
        threshold_off: fall that makes an OFF event.
        mismatch: standard deviation of both thresholds from pixel to pixel (normal, cut at 0.01).
        refractory_us: a pixel is silent for so many microseconds after an event; the level moves on meanwhile.
        leak_hz: ON events a second of a pixel that looks at constant light.
        noise_hz: further events a second and pixel at random moments, as many ON as OFF.
        random_start: pixels begin anywhere between their thresholds instead of all at the first image.
        darkest: intensities below this count as this much, which bounds the logarithm.
    """

    threshold_on: float = 0.2
    threshold_off: float = 0.2
    mismatch: float = 0.0
    refractory_us: int = 0
    leak_hz: float = 0.0
    noise_hz: float = 0.0
    random_start: bool = False
    darkest: float = 1e-3

    def __post_init__(self) -> None:
        for name in ("threshold_on", "threshold_off"):
            if getattr(self, name) < _SMALLEST_THRESHOLD:
                raise ValueError(f"expected {name} >= {_SMALLEST_THRESHOLD}, got {getattr(self, name)}")
        for name in ("mismatch", "refractory_us", "leak_hz", "noise_hz"):
            if getattr(self, name) < 0:
                raise ValueError(f"expected {name} >= 0, got {getattr(self, name)}")
        if self.darkest <= 0:
            raise ValueError(f"expected darkest > 0, got {self.darkest}")


def simulate(
    scene: Sequence[ArrayLike] | NDArray | Callable[[int], ArrayLike],
    times_us: ArrayLike,
    *,
    generator: np.random.Generator,
    camera: Camera | None = None,
) -> Events:
    """Turn images with times into events.

    Each pixel sees `L(t) = ln(max(I(t), darkest)) + leak_hz * C_on * (t - times_us[0]) / 10^6`, where `ln I` runs
    along straight lines between the images, and remembers a level `R`, at first `L(times_us[0])`:

        L(t) >= R + C_on:   ON event at t,  R <- R + C_on
        L(t) <= R - C_off:  OFF event at t, R <- R - C_off

    Times are rounded to whole microseconds. Without noise and mismatch a pixel whose `ln I` rises evenly by `D`
    gives exactly `floor(D / C_on)` events at equal distances.

    Args:
        scene: images `[F, H, W]` of linear intensity >= 0 in any unit, or a function from microseconds to an image.
        times_us: the moments of the images, `[F]` integers, increasing, at least two.
        generator: the source of mismatch, starting levels and noise; equal generators give equal events.
        camera: the pixels; `None` is the ideal `Camera()`.

    Returns:
        Events from `times_us[0]` to `times_us[-1]`.

    Raises:
        ValueError: images that differ in number or shape, are negative or not a number; times that do not increase.

    Source: the principle is that of Rebecq, Gehrig, Scaramuzza, "ESIM: an Open Event Camera Simulator", CoRL 2018;
    mismatch, leak and noise follow Hu, Liu, Delbruck, "v2e: From Video Frames to Realistic DVS Events", CVPRW 2021,
    except that here the noise does not depend on brightness.

    >>> ramp = np.exp([[[0.0]], [[1.0]]])
    >>> simulate(ramp, [0, 1000], generator=np.random.default_rng(0)).t.tolist()
    [200, 400, 600, 800, 1000]
    """
    camera = camera or Camera()
    times = np.asarray(times_us)
    whole = times.ndim == 1 and times.dtype.kind in "iu"
    if not whole or len(times) < 2 or np.any(np.diff(times.astype(np.int64)) <= 0):
        raise ValueError(f"expected at least two increasing integer times in microseconds, got times_us={times_us}")
    if not callable(scene) and len(scene) != len(times):
        raise ValueError(f"expected one time for each image, got {len(scene)} images and {len(times)} times")
    image_at = scene if callable(scene) else dict(zip(times.tolist(), scene, strict=True)).__getitem__

    before = _log_image(image_at(int(times[0])), camera.darkest, None)
    shape = before.shape
    on, off = (
        np.maximum(threshold + camera.mismatch * generator.standard_normal(before.size), _SMALLEST_THRESHOLD)
        for threshold in (camera.threshold_on, camera.threshold_off)
    )
    before = before.ravel()
    level = before.copy()
    if camera.random_start:
        # Not quite as far as the threshold: a crossing needs a change.
        share = generator.uniform(-0.999, 0.999, before.size)
        level += share * np.where(share > 0, off, on)
    found = []
    for start, stop in zip(times[:-1].tolist(), times[1:].tolist(), strict=True):
        after = _log_image(image_at(stop), camera.darkest, shape).ravel()
        if camera.leak_hz:
            after += on * (camera.leak_hz * (stop - int(times[0])) * 1e-6)
        found += [_crossings(before, after, level, step, start, stop) for step in (on, -off)]
        before = after
    found.append(_noise(generator, camera.noise_hz, before.size, int(times[0]), int(times[-1])))

    t, pixel, polarity = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.argsort(t, kind="stable")
    t, pixel, polarity = t[order], pixel[order], polarity[order]
    if camera.refractory_us:
        kept = _outside_refractory(t, pixel, camera.refractory_us)
        t, pixel, polarity = t[kept], pixel[kept], polarity[kept]
    height, width = shape
    y, x = np.divmod(pixel, width)
    return Events(t, x.astype(np.uint16), y.astype(np.uint16), polarity, (width, height))


Columns = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]


def _log_image(image: ArrayLike, darkest: float, shape: tuple[int, ...] | None) -> NDArray[np.float64]:
    intensity = np.asarray(image, np.float64)
    if intensity.ndim != 2 or intensity.size == 0 or (shape is not None and intensity.shape != shape):
        raise ValueError(f"expected images [H, W] of one shape, got {intensity.shape}, the first one being {shape}")
    if not intensity.min() >= 0 or not np.isfinite(intensity.max()):
        raise ValueError("expected linear intensities >= 0, got a negative value, an infinity or a nan")
    return np.log(np.maximum(intensity, darkest))


def _crossings(before: NDArray, after: NDArray, level: NDArray, step: NDArray, start: int, stop: int) -> Columns:
    """Return the events of one polarity between two images, and move `level` on to the last threshold crossed."""
    count = (after - level) / step
    moved = np.flatnonzero(count > 1 - _ROUNDING)
    count = (count[moved] + _ROUNDING).astype(np.int64)
    pixel = np.repeat(moved, count)
    nth = 1 + np.arange(len(pixel)) - np.repeat(np.cumsum(count) - count, count)
    share = (level[pixel] + nth * step[pixel] - before[pixel]) / (after[pixel] - before[pixel])
    level[moved] += count * step[moved]
    t = start + np.rint(np.clip(share, 0, 1) * (stop - start)).astype(np.int64)
    return t, pixel, np.broadcast_to(np.bool_(step[0] > 0), len(pixel))


def _noise(generator: np.random.Generator, rate_hz: float, pixels: int, start: int, stop: int) -> Columns:
    count = generator.poisson(rate_hz * pixels * (stop - start) * 1e-6)
    t = generator.integers(start, stop, count, endpoint=True)
    return t, generator.integers(0, pixels, count), generator.random(count) < 0.5


def _outside_refractory(t: NDArray[np.int64], pixel: NDArray[np.int64], period: int) -> NDArray[np.bool_]:
    """Keep the first event of each pixel and then always the first that is at least `period` later."""
    order = np.argsort(pixel, kind="stable")
    of = pixel[order]
    # Pixels lie so far apart on this axis that no period reaches from one into the next.
    moment = t[order] - t.min(initial=0) + of * (np.ptp(t) + period + 1 if len(t) else 0)
    following = np.searchsorted(moment, moment + period)
    kept = np.zeros(len(t), np.bool_)
    current = np.flatnonzero(np.diff(of, prepend=-1))
    while len(current):
        kept[order[current]] = True
        later = following[current]
        inside = later < len(of)
        current, later = current[inside], later[inside]
        current = later[of[later] == of[current]]
    return kept
