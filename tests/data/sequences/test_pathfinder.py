"""Pathfinder from files in the layout of Long Range Arena, and drawn."""

import numpy as np
import pytest
import torch
from PIL import Image

from ranvier.data.datasets import build
from ranvier.data.sequences.dashes import CLEARANCE, HALF_WIDTH, LONG, RADIUS, SHORT, WIDTH, draw, random_drawing
from ranvier.recipes import Pathfinder

GENERATOR = np.random.default_rng(0)


def write(root, *, size=32, files=11, lines=2):
    """`lines` pictures in each of several metadata files; a picture's brightest pixel is its number."""
    folder = root / f"pathfinder{size}" / "curv_contour_length_14"
    (folder / "metadata").mkdir(parents=True)
    for file in range(files):
        (folder / "imgs" / str(file)).mkdir(parents=True)
        rows = []
        for number in range(lines):
            picture = np.zeros((size, size), np.uint8)
            picture[1, 2] = file * lines + number
            Image.fromarray(picture).save(folder / "imgs" / str(file) / f"sample_{number}.png")
            rows.append(f"imgs/{file} sample_{number}.png {number} {(file + number) % 2} 14 1.5 32 0.3 5")
        (folder / "metadata" / f"{file}.npy").write_text("\n".join(rows) + "\n")
    return folder


@pytest.mark.parametrize("size", [32, 128])
def test_pictures_are_split_in_the_order_of_their_numbers(tmp_path, size):
    write(tmp_path, size=size)
    parts = [build(Pathfinder(root=str(tmp_path), size=size), split) for split in ("train", "val", "test")]
    published = torch.utils.data.random_split(range(22), [18, 2, 2], generator=torch.Generator().manual_seed(42))
    for part, expected in zip(parts, published, strict=True):
        samples = [part[i] for i in range(len(part))]
        assert [round(float(x.max()) * 255) for x, _ in samples] == list(expected)
        assert [label for _, label in samples] == [(n // 2 + n % 2) % 2 for n in expected]
    x, _ = parts[0][0]
    assert (x.shape, x.dtype, int(x.argmax())) == ((size * size, 1), torch.float32, size + 2)


def test_colours_become_grey(tmp_path):
    folder = write(tmp_path, files=1, lines=1)
    colours = GENERATOR.integers(0, 256, (32, 32, 3), np.uint8)
    Image.fromarray(colours).save(folder / "imgs" / "0" / "sample_0.png")
    x, _ = build(Pathfinder(root=str(tmp_path)), "train")[0]
    expected = np.asarray(Image.fromarray(colours).convert("L")).reshape(-1, 1) / np.float32(255)
    assert np.array_equal(x, expected)


def test_bad_pictures_are_named(tmp_path):
    folder = write(tmp_path, files=1, lines=1)
    train = build(Pathfinder(root=str(tmp_path)), "train")
    path = folder / "imgs" / "0" / "sample_0.png"
    Image.fromarray(np.zeros((32, 16), np.uint8)).save(path)
    with pytest.raises(ValueError, match=r"sample_0\.png has 16x32 pixels, expected 32x32"):
        train[0]
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(ValueError, match=r"sample_0\.png cannot be read as a picture"):
        train[0]
    path.unlink()
    with pytest.raises(ValueError, match=r"sample_0\.png cannot be read as a picture: .*No such file"):
        train[0]


def test_bad_lists_are_named(tmp_path):
    folder = write(tmp_path, files=1)
    config = Pathfinder(root=str(tmp_path))
    for line in ("imgs/0 sample_0.png 0", "imgs/0 sample_0.png 0 2 14", ""):
        (folder / "metadata" / "0.npy").write_text(f"imgs/0 sample_0.png 0 1\n{line}\n")
        with pytest.raises(ValueError, match=r"0\.npy, line 2: expected folder, name, number and label 0 or 1"):
            build(config, "train")
    (folder / "metadata" / "0.npy").write_text("")
    with pytest.raises(FileNotFoundError, match=r"no pictures listed in .*/metadata: .*--data\.source generated"):
        build(config, "train")


def points(line):
    """Many points of every dash, [n, 2]."""
    share = np.linspace(0, 1, 9)[:, None]
    return (line[:, 0][:, None] * (1 - share) + line[:, 1][:, None] * share).reshape(-1, 2)


def nearest(one, other):
    return np.hypot(*(one[:, None] - other).transpose(2, 0, 1)).min()


def test_lines_do_not_touch_and_dots_tell_them_apart():
    joined = 0
    for seed in range(60):
        drawing = random_drawing(np.random.default_rng(seed))
        lines = [points(line) for line in drawing.lines]
        assert [len(line) for line in drawing.lines] == [LONG, LONG, *[SHORT] * (len(lines) - 2)]
        for i, line in enumerate(lines):
            assert (line.min() >= RADIUS, line.max() <= WIDTH - RADIUS) == (True, True)
            assert all(nearest(line, other) > CLEARANCE + RADIUS + HALF_WIDTH for other in lines[:i])
            # A line does not come back to itself either.
            dashes = [points(dash[None]) for dash in drawing.lines[i]]
            assert all(nearest(dashes[k], dashes[m]) > 3 for k in range(len(dashes)) for m in range(k + 3, len(dashes)))
        ends = [(line[0, 0], line[-1, 1]) for line in drawing.lines]
        at = [[n for n, pair in enumerate(ends) for end in pair if np.array_equal(end, dot)] for dot in drawing.dots]
        assert at in ([[0], [0]], [[1], [1]]) if drawing.joined else at == [[0], [1]]
        assert not np.array_equal(*drawing.dots)
        joined += drawing.joined
    assert 20 < joined < 40


def test_what_is_drawn_is_where_it_should_be():
    drawing = random_drawing(np.random.default_rng(0))
    small, large = draw(drawing, 32), draw(drawing, 128)
    for begin, end in np.concatenate(drawing.lines):
        x, y = (4 * (begin + end) / 2).astype(int)
        assert large[y, x] == 255
    for x, y in (4 * drawing.dots).astype(int):
        assert (large[y - 2 : y + 3, x - 2 : x + 3] == 255).all()
    gap = (4 * (drawing.lines[0][3, 1] + drawing.lines[0][4, 0]) / 2).astype(int)
    assert large[gap[1], gap[0]] < 64
    # The same picture at both sizes, but for soft edges.
    assert abs(large.reshape(32, 4, 32, 4).mean((1, 3)) - small).mean() < 8


def test_drawn_pictures_depend_on_seed_split_and_number_alone():
    config = Pathfinder(source="generated", count=3)
    train, same, val = build(config, "train"), build(config, "train"), build(config, "val")
    other = build(Pathfinder(source="generated", count=3, seed=1), "train")
    assert torch.equal(train[2][0], same[2][0])
    assert not any(torch.equal(train[0][0], x) for x in (train[1][0], val[0][0], other[0][0]))
    assert [len(part) for part in (train, val)] == [3, 20_000]
    x, label = train[0]
    assert (x.shape, float(x.min()), float(x.max()), label in (0, 1)) == ((1024, 1), 0, 1, True)


def test_path_x_has_16_384_steps():
    x, label = build(Pathfinder(source="generated", size=128), "test")[5]
    drawing = random_drawing(np.random.default_rng([0, 2, 5]))
    assert np.array_equal(x.reshape(128, 128) * 255, draw(drawing, 128))
    assert (len(x), label) == (16_384, drawing.joined)
