import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ranvier import genotype, plot


@pytest.fixture
def ax() -> Axes:
    return Figure().subplots()


def marks(ax: Axes) -> int:
    """Number of separate strokes on the axes."""
    return sum(int(np.isnan(np.asarray(line.get_ydata(), float)).sum()) for line in ax.lines)


def test_frame_image_shows_on_in_amber_off_in_blue_and_nothing_where_nothing_was():
    frame = torch.zeros(2, 1, 3)
    frame[0, 0, 0] = 4
    frame[1, 0, 2] = 4
    image = plot.frame_image(frame)
    assert image.shape == (1, 3, 4)
    assert "#" + bytes(image[0, 0, :3]).hex() == plot.BLUE
    assert "#" + bytes(image[0, 2, :3]).hex() == plot.AMBER
    assert image[0, :, 3].tolist() == [255, 0, 255]


def test_frame_image_of_signed_counts_is_the_same():
    signed = torch.tensor([[[-2.0, 0.0, 3.0]]])
    counts = torch.stack([(-signed[0]).clamp(min=0), signed[0].clamp(min=0)])
    assert np.array_equal(plot.frame_image(signed), plot.frame_image(counts))


def test_frame_image_without_events_is_clear():
    assert not plot.frame_image(torch.zeros(2, 4, 4)).any(axis=None, where=[False, False, False, True])


def test_raster_has_one_stroke_a_spike(ax):
    spikes = torch.zeros(6, 2, 5)
    spikes[[0, 3, 5], [0, 1, 1], [2, 4, 4]] = 1
    plot.raster(ax, spikes, step_ms=10)
    assert marks(ax) == 3
    assert ax.get_xlim() == (0, 60)


def test_raster_of_silence(ax):
    plot.raster(ax, torch.zeros(4, 3))
    assert marks(ax) == 0


def test_answers_end_in_the_probability_of_the_last_step(ax):
    logits = torch.tensor([[0.0, 1.0], [2.0, 1.0]])
    plot.answers(ax, logits, ["a", "b"], step_ms=5)
    assert ax.texts[0].get_text() == "a"
    assert ax.lines[0].get_ydata()[-1] == pytest.approx(float(logits[1].softmax(0)[0]))


def test_curves_draw_each_split(ax):
    rows = [{"epoch": e, "split": s, "loss": e + 1.0} for s in ("train", "val") for e in range(3)]
    plot.curves(ax, rows, "loss")
    assert [line.get_label() for line in ax.lines] == ["train", "val"]
    assert list(ax.lines[0].get_ydata()) == [1, 2, 3]


def test_confusion_writes_the_counts(ax):
    plot.confusion(ax, [[9, 1], [0, 5]], ["a", "b"])
    assert sorted(text.get_text() for text in ax.texts) == ["1", "5", "9"]


def test_bars_with_a_comparison(ax):
    plot.bars(ax, {"one": 2.0, "two": 1234.5}, unit="nJ", other={"one": 4.0, "two": 0.5})
    assert [patch.get_width() for patch in ax.patches] == [2.0, 4.0, 1234.5, 0.5]
    assert [text.get_text() for text in ax.texts] == ["2 nJ", "4 nJ", "1,234 nJ", "0.5 nJ"]


@pytest.mark.parametrize("name", genotype.shipped())
def test_a_cell_shows_its_edges_and_what_they_do(ax, name):
    drawn = genotype.load(name)
    plot.cell(ax, drawn)
    assert len([text for text in ax.texts if getattr(text, "arrow_patch", None)]) == 2 * drawn.nodes
    assert {text.get_text() for text in ax.texts} >= {"s0", "s1", "0", "1", "2", "output"}
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == [plot.OPERATIONS[operation]["label"] for operation in sorted({op for _, op in drawn.edges})]


def test_levels_show_the_path(ax):
    plot.levels(ax, genotype.load("stereo-matching"))
    assert list(ax.lines[-1].get_ydata()) == [1, 2, 2, 1]
    assert [label.get_text() for label in ax.get_yticklabels()][:2] == ["1/1, 24 channels", "1/2, 48 channels"]
