"""The report is read back as a browser would: well formed, complete, and alone in the world."""

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ranvier.report import write_report
from ranvier.report.classify import Samples, busiest
from ranvier.run import Run

VOID = {"meta", "img", "line", "circle", "rect", "path", "use", "br"}


class Page(HTMLParser):
    """Collects tags, addresses and ids, and whether every tag is closed by its own."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.headings: list[str] = []

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("src", "href", "xlink:href", "action"):
                self.addresses.append(value)
            if name == "id":
                self.ids.append(value)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)


@pytest.fixture(scope="module", params=["finished_run", "finished_detector", "finished_segmenter", "finished_listener"])
def finished(request: pytest.FixtureRequest, few_scenes: None) -> Run:
    """A run of each task."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def text(finished: Run) -> str:
    path = write_report(finished)
    assert path == finished.path / "report.html"
    return path.read_text()


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    page = Page()
    page.feed(text)
    return page


def test_it_is_well_formed(page):
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))


def test_it_needs_nothing_from_outside(page, text):
    assert all(address.startswith(("#", "data:image/png;base64,")) for address in page.addresses)
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)
    assert "<script" not in text


def test_inner_references_hold(page, text):
    wanted = {address[1:] for address in page.addresses if address.startswith("#")}
    wanted |= set(re.findall(r"url\(#([^)]+)\)", text))
    assert wanted <= set(page.ids)


SECTIONS = {
    "classify": ["What the camera saw", "What the network said", "Where it errs"],
    "listen": ["What it was given", "What the network said", "Where it errs"],
    "detect": ["What it found", "How precise it is"],
    "segment": ["What it found", "Where it errs"],
}


def test_every_section_is_there(page, finished):
    always = ["How it learned", "What it costs", "How to repeat it"]
    kind = "listen" if finished.config.data.name == "spoken-digits" else finished.config.task.name
    assert page.headings == SECTIONS[kind] + always


def test_it_says_what_was_measured(text, finished):
    task = finished.config.task
    assert f"{task.metric_name}, held out</i><b>{100 * finished.result[task.metric]:.1f} <small>%" in text
    assert "no number was expected" in text
    assert "<code>train.lr</code>" in text


def test_pictures_take_the_colours_of_the_page(text):
    body = text[text.index("<body>") :]
    assert "var(--amber)" in body
    assert "#e8742c" not in body
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text


def test_the_expected_number_stands_beside_the_measured(finished_run, monkeypatch):
    from ranvier.audit import audit
    from ranvier.report import sections

    result = finished_run.result | {"expected": {"value": 0.965, "source": "<a paper>"}}
    cost = audit(finished_run.net(), torch.zeros(1, 1, 2, 34, 34))
    shown = sections.summary(result, finished_run.config.task, cost, note="")
    assert "expected 96.5 %, &lt;a paper&gt;" in shown
    assert "left:96.50%" in shown


def test_a_moving_picture_in_the_folder_is_shown(finished_detector, tmp_path):
    from ranvier.animate import animation
    from ranvier.report import sections

    run = replace(finished_detector, path=tmp_path)
    assert sections.streamed(run) == []
    with animation(tmp_path / "stream.png", duration_ms=50) as add:
        for shade in (0, 99):
            add(np.full((6, 8, 3), shade, np.uint8))
    (section,) = sections.streamed(run)
    page = Page()
    page.feed(section)
    assert (page.open, page.headings) == ([], ["As a stream"])
    (address,) = page.addresses
    assert base64.b64decode(address.removeprefix("data:image/png;base64,")) == (tmp_path / "stream.png").read_bytes()


def test_boxes_and_regions_are_drawn_where_they_are(finished_detector, finished_segmenter):
    from ranvier.colours import CLASSES, PAPER, rgb
    from ranvier.data.boxes import Boxes
    from ranvier.layers.anchors import Detections
    from ranvier.report import detect, segment

    def pixels(address: str) -> np.ndarray:
        file = io.BytesIO(base64.b64decode(address.removeprefix("data:image/png;base64,")))
        return np.asarray(Image.open(file).convert("RGB"))

    truth = Boxes(torch.tensor([[10.0, 20, 30, 40]]), torch.tensor([3]))
    found = Detections(torch.tensor([[50.0, 60, 20, 10]]), torch.tensor([7]), torch.tensor([0.9]))
    image = pixels(detect.scene(torch.zeros(5, 96, 96), finished_detector.config, truth, found))
    assert image.shape == (4 * 96, 4 * 96, 3)
    assert tuple(image[4 * 40, 4 * 10]) == tuple(image[4 * 60 - 1, 4 * 25]) == rgb(PAPER)
    assert tuple(image[4 * 65, 4 * 50]) == tuple(image[4 * 70 - 1, 4 * 60]) == rgb(CLASSES[7])

    labels = torch.zeros(96, 96, dtype=torch.long)
    labels[20:60, 10:40] = 1 + 3
    image = pixels(segment.scene(torch.zeros(5, 96, 96), labels, finished_segmenter.config))
    assert tuple(image[4 * 20, 4 * 25]) == tuple(image[4 * 60 - 1, 4 * 25]) == rgb(CLASSES[3])
    assert tuple(image[4 * 40, 4 * 25]) != tuple(image[0, 0])


def test_an_unfinished_run_is_refused(finished_run, tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="not finished"):
        write_report(replace(finished_run, path=tmp_path))


def test_what_is_shown():
    labels = torch.tensor([0, 0, 1, 2, 3])
    logits = torch.eye(4)[torch.tensor([0, 0, 1, 3, 3])].expand(2, -1, -1).clone()
    logits[0, 2] = 0
    samples = Samples(torch.zeros(2, 5, 2, 4, 4), labels, logits, {})
    assert samples.to_show() == [0, 2, 4, 3]
    assert samples.hardest() == 2


def test_the_busiest_frame():
    x = torch.zeros(3, 1, 2, 2)
    x[1, 0, 0, 0] = -5
    x[2, 0, 0, 0] = 3
    assert torch.equal(busiest(x), x[1])
