import time

import numpy as np
import pytest
import torch

from ranvier.animate import draw_boxes, draw_caption, draw_mask, enlarge, enlarging, event_image
from ranvier.colours import AMBER, BLUE, CLASSES, GROUND, rgb
from ranvier.data.formats import open_events
from ranvier.stream import windows


def ground(height: int = 40, width: int = 60) -> np.ndarray:
    return np.full((height, width, 3), rgb(GROUND), np.uint8)


def pixels(image: np.ndarray, colour: str) -> list[tuple[int, int]]:
    """Row and column of every pixel of exactly one colour."""
    return [(int(y), int(x)) for y, x in zip(*np.nonzero((image == rgb(colour)).all(-1)), strict=True)]


def test_on_is_amber_and_off_is_blue_in_every_stacking():
    """Four events on a pixel shine brightest; nothing is the ground."""
    counts = torch.zeros(2, 2, 3)
    counts[0, 0, 0], counts[1, 1, 2] = 4, 9
    signed = counts[1:] - counts[:1]
    bins = signed.sign().repeat(4, 1, 1)
    for x, stacking in ((counts, "counts"), (signed, "signed"), (bins, "sbt"), (bins, "sbn")):
        image = event_image(x, stacking=stacking)
        assert image.shape == (2, 3, 3)
        assert image.dtype == np.uint8
        assert pixels(image, BLUE) == [(0, 0)]
        assert pixels(image, AMBER) == [(1, 2)]
        assert len(pixels(image, GROUND)) == 4


def test_more_events_shine_brighter_and_both_polarities_mix():
    x = torch.zeros(2, 1, 5)
    x[1, 0, 1:4] = torch.tensor([1.0, 2, 3])
    x[:, 0, 4] = 1
    image = event_image(x, stacking="counts")[0].astype(int)
    assert (np.diff(image[:4, 0]) > 0).all()
    single = event_image(torch.tensor([[[1.0]], [[0.0]]]), stacking="binary")[0, 0].astype(int)
    assert image[1, 2] < image[4, 2]
    assert single[0] < image[4, 0]


def test_the_picture_of_a_recording_shows_its_events(data_dir):
    recording = open_events(data_dir / "event_formats" / "gen3_evt2.raw")
    for stacking in ("counts", "sbt", "sbn", "signed", "binary"):
        _, x = next(windows(recording, stacking=stacking, window_us=10_000))
        image = event_image(x[0, 0], stacking=stacking)
        active = x[0, 0].ne(0).any(0).numpy()
        assert image.shape == (480, 640, 3)
        assert ((image != rgb(GROUND)).any(-1) == active).all()


def test_enlarging_gives_the_wanted_size():
    assert [enlarging(n, 10) for n in (34, 346, 480, 1280)] == [15, 2, 1, 1]
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert (enlarge(image, 3)[::3, 2::3] == image).all()
    assert enlarge(image, 3).shape == (6, 6, 3)
    with pytest.raises(ValueError, match="1 or more, got 0"):
        enlarge(image, 0)


class TestBoxes:
    def test_the_outline_is_that_of_the_box(self):
        image = draw_boxes(ground(), [[20, 25, 10, 8]], ["a"], [0.5], ["#ff0000"])
        red = set(pixels(image, "#ff0000"))
        outline = {
            (y, x) for y in range(25, 33) for x in range(20, 30) if x in (20, 21, 28, 29) or y in (25, 26, 31, 32)
        }
        assert outline <= red
        # Outside of the box there is only its tag, above.
        assert all(y < 25 for y, x in red - outline)
        assert pixels(image[27:31, 22:28], GROUND) == [(y, x) for y in range(4) for x in range(6)]

    def test_coordinates_are_those_before_enlarging(self):
        plain = draw_boxes(ground(80, 120), [[40, 50, 20, 16]], ["a"], [0.5], ["#ff0000"])
        enlarged = draw_boxes(enlarge(ground(), 2), [[20, 25, 10, 8]], ["a"], [0.5], ["#ff0000"], factor=2)
        assert (plain == enlarged).all()

    @pytest.mark.parametrize("box", [[-10, -10, 5, 5], [60, 5, 9, 9], [5, 5, 0, 9], [5, 5, 9, 0], [5, 5, -3, 9]])
    def test_a_box_that_is_not_there_leaves_no_mark(self, box):
        assert (draw_boxes(ground(), [box], ["a"], [0.5], ["#ff0000"]) == ground()).all()

    def test_a_box_over_the_edge_is_cut(self):
        image = draw_boxes(ground(), [[-5, 20, 10, 100]], ["a"], None, ["#ff0000"])
        assert {(20, 4), (39, 0), (39, 4), (30, 0)} <= set(pixels(image, "#ff0000"))

    @pytest.mark.parametrize("box", [[0, 0, 20, 20], [100, 70, 20, 10], [50, 3, 20, 30]])
    def test_the_whole_tag_is_inside_the_image(self, box):
        """Its text has as many light pixels wherever the box lies."""
        free = draw_boxes(ground(80, 120), [[30, 40, 20, 20]], ["cat"], [0.5], ["#ff0000"])
        image = draw_boxes(ground(80, 120), [box], ["cat"], [0.5], ["#ff0000"])
        light = [int((picture.min(-1) > 60).sum()) for picture in (free, image)]
        assert light[0] == light[1] > 20

    def test_the_first_box_lies_on_top(self):
        boxes = [[10, 20, 30, 15], [10, 20, 30, 15]]
        image = draw_boxes(ground(), boxes, ["a", "b"], [0.9, 0.1], ["#ff0000", "#00ff00"])
        assert not pixels(image[20:], "#00ff00")
        assert pixels(image[20:], "#ff0000")

    def test_no_box_leaves_the_image(self):
        image = ground()
        assert (draw_boxes(image, np.empty((0, 4)), [], [], []) == image).all()

    def test_the_image_that_came_is_not_changed(self):
        image = ground()
        draw_boxes(image, [[5, 20, 10, 10]], ["a"], [0.5], ["#ff0000"])
        draw_caption(image, "1 ms")
        draw_mask(image, np.ones((40, 60)), (None, "#ff0000"))
        assert (image == ground()).all()

    def test_lengths_must_agree(self):
        with pytest.raises(ValueError, match=r"longer|shorter"):
            draw_boxes(ground(), [[1, 2, 3, 4]], ["a", "b"], [0.5, 0.5], ["#ff0000"])


class TestMask:
    def labels(self) -> np.ndarray:
        labels = np.zeros((40, 60), np.uint8)
        labels[10:20, 10:30] = 1
        labels[30:, :] = 255
        return labels

    def test_regions_are_tinted_with_a_line_around_them(self):
        image = draw_mask(ground(), self.labels(), (None, "#ff0000"))
        line = {(y, x) for y in range(10, 20) for x in range(10, 30) if y in (10, 19) or x in (10, 29)}
        assert set(pixels(image, "#ff0000")) == line
        assert 60 < image[15, 20, 0] < 255
        outside = np.ones((40, 60), bool)
        outside[10:20, 10:30] = False
        assert (image == rgb(GROUND)).all(-1)[outside].all()

    def test_events_stay_on_top(self):
        image = ground()
        image[15, 20] = rgb(AMBER)
        assert (draw_mask(image, self.labels(), (None, CLASSES[0]))[15, 20] >= rgb(AMBER)).all()

    def test_labels_are_enlarged_with_the_image(self):
        image = draw_mask(enlarge(ground(), 3), self.labels().astype(np.int64), (None, "#ff0000"), factor=3)
        assert ((image[..., 0] > 60).sum()) == 200 * 9

    def test_sizes_must_agree(self):
        with pytest.raises(ValueError, match=r"image's size \(40, 60\) after enlarging by factor=2, got \(80, 120\)"):
            draw_mask(ground(), self.labels(), (None,), factor=2)


def test_the_caption_is_written_at_the_bottom_in_its_colours():
    image = draw_caption(ground(100, 300), "12.5 ms", names=["cat", "dog"], colours=["#ff0000", "#00ff00"]).astype(int)
    white = np.argwhere(image.min(-1) > 100)
    red, green = np.argwhere(image[..., 0] > image[..., 1] + 80), np.argwhere(image[..., 1] > image[..., 0] + 80)
    assert min(len(found) for found in (white, red, green)) > 20
    assert min(found[:, 0].min() for found in (white, red, green)) > 75
    assert white[:, 1].max() < red[:, 1].min()
    assert red[:, 1].max() < green[:, 1].min() < green[:, 1].max() < 200


def test_drawing_follows_a_camera():
    """Below 5 ms each for 640x480 (measured: 0.6 to 2.3), in processor time, the best of some."""
    generator = np.random.default_rng(0)
    x = torch.from_numpy(generator.integers(-1, 2, (3, 480, 640))).float()
    image = event_image(x, stacking="sbt")
    labels = generator.integers(0, 5, (12, 16), np.uint8).repeat(40, 0).repeat(40, 1)
    boxes = generator.uniform(20, 300, (20, 4))

    def fastest(call) -> float:
        times = []
        for _ in range(9):
            begun = time.thread_time()
            call()
            times.append(time.thread_time() - begun)
        return min(times)

    for call in (
        lambda: event_image(x, stacking="sbt"),
        lambda: draw_mask(image, labels, (None, *CLASSES)),
        lambda: draw_boxes(image, boxes, ["car"] * 20, [0.5] * 20, CLASSES),
        lambda: draw_caption(image, "1000.0 ms"),
    ):
        assert fastest(call) < 0.01
