"""Moving pictures of streams: what the camera saw, and what the network found in it.

    with animation("answers.png", duration_ms=50) as add:
        for step in stream(net, windows(recording, window_us=50_000)):
            image = enlarge(event_image(step.x[-1, 0], stacking="counts"), 2)
            add(draw_caption(image, f"{step.t_us / 1000:.0f} ms"))

Images are uint8 `[H, W, 3]`; what is drawn at `factor` 2 lies on an image that was enlarged twice.
"""

from ranvier.animate.draw import draw_boxes, draw_caption, draw_mask, enlarge, enlarging, event_image
from ranvier.animate.write import animation

__all__ = ["animation", "event_image", "enlarge", "enlarging", "draw_boxes", "draw_mask", "draw_caption"]
