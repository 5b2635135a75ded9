"""sMNIST, psMNIST and sCIFAR from files in the published layouts."""

import gzip
import io
import pickle

import numpy as np
import pytest
from PIL import Image

from ranvier.data.datasets import build
from ranvier.data.sequences.cifar import grey
from ranvier.data.sequences.mnist import bit_reversal, read_idx
from ranvier.recipes import Pixels
from ranvier.recipes.classes import CIFAR

GENERATOR = np.random.default_rng(0)
IMAGES = {
    "train": GENERATOR.integers(0, 256, (20, 28, 28), np.uint8),
    "t10k": GENERATOR.integers(0, 256, (4, 28, 28), np.uint8),
}


def idx(values):
    sizes = b"".join(size.to_bytes(4, "big") for size in values.shape)
    return bytes([0, 0, 8, values.ndim]) + sizes + values.tobytes()


@pytest.fixture
def mnist(tmp_path):
    for part, images in IMAGES.items():
        (tmp_path / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(idx(np.arange(len(images), dtype=np.uint8) % 10))
    return tmp_path


def test_smnist_reads_rows_of_pixels(mnist):
    train, val, test = (build(Pixels(root=str(mnist)), split) for split in ("train", "val", "test"))
    assert [len(part) for part in (train, val, test)] == [18, 2, 4]
    assert sorted([*train.indices, *val.indices]) == list(range(20))
    x, label = test[3]
    assert label == 3
    assert np.array_equal(x.numpy(), IMAGES["t10k"][3].reshape(784, 1).astype(np.float32) / 255)
    assert len(build(Pixels(root=str(mnist), count=5), "train")) == 5


def test_psmnist_is_in_bit_reversed_order(mnist):
    order = [place for place in (int(f"{n:010b}"[::-1], 2) for n in range(1024)) if place < 784]
    assert bit_reversal(784).tolist() == order
    plain, permuted = (build(Pixels(name=name, root=str(mnist)), "test")[1][0] for name in ("smnist", "psmnist"))
    assert np.array_equal(permuted, plain[order])


def test_npz_and_published_files_agree(mnist, tmp_path_factory):
    folder = tmp_path_factory.mktemp("npz")
    arrays = {f"x_{'test' if part == 't10k' else part}": images for part, images in IMAGES.items()}
    labels = {name.replace("x", "y"): np.arange(len(images), dtype=np.uint8) % 10 for name, images in arrays.items()}
    np.savez(folder / "mnist.npz", **arrays, **labels)
    (x, label), (other, other_label) = (build(Pixels(root=str(root)), "val")[0] for root in (mnist, folder))
    assert np.array_equal(x, other)
    assert label == other_label


def test_damaged_idx_files_are_named(tmp_path):
    path = tmp_path / "images"
    for raw, message in (
        (b"", r"begin with 0, 0, 8, got \[\]"),
        (b"\0\0\x0d\1\0\0\0\1\0", "no idx file of bytes"),
        (idx(np.zeros((2, 2), np.uint8))[:-1], r"expected 4 values for \[2, 2\], got 3"),
    ):
        path.write_bytes(raw)
        with pytest.raises(ValueError, match=message):
            read_idx(path)
    with pytest.raises(FileNotFoundError, match=r"no t10k-images-idx3-ubyte, .*mnist\.npz in"):
        build(Pixels(root=str(tmp_path)), "test")


def test_the_real_digits(data_dir):
    train = build(Pixels(name="psmnist", root=str(data_dir / "mnist")), "train")
    x, label = train[0]
    assert (len(train), x.shape, 0 <= label <= 9) == (54_000, (784, 1), True)
    assert (float(x.min()), float(x.max())) == (0, 1)


def photographs(count):
    return GENERATOR.integers(0, 256, (count, 3, 32, 32), np.uint8)


def expected(picture):
    image = np.asarray(Image.fromarray(picture.transpose(1, 2, 0)).convert("L"))
    return ((image.reshape(1024, 1) - 122.6) / 61).astype(np.float32)


@pytest.mark.parametrize("layout", ["py", "bin"])
def test_scifar_from_batches(tmp_path, layout):
    folder = tmp_path / f"cifar-10-batches-{layout}"
    folder.mkdir()
    pictures = photographs(60)
    labels = np.arange(60) % 10
    for number in range(6):
        name = f"data_batch_{number + 1}" if number < 5 else "test_batch"
        part = slice(10 * number, 10 * number + 10)
        rows = pictures[part].reshape(10, -1)
        if layout == "py":
            (folder / name).write_bytes(pickle.dumps({b"data": rows, b"labels": labels[part].tolist()}, protocol=2))
        else:
            (folder / f"{name}.bin").write_bytes(np.column_stack([labels[part], rows]).astype(np.uint8).tobytes())
    config = Pixels(name="scifar", root=str(tmp_path))
    train, val, test = (build(config, split) for split in ("train", "val", "test"))
    assert [len(part) for part in (train, val, test)] == [45, 5, 10]
    x, label = val[2]
    assert label == labels[val.indices[2]]
    assert np.allclose(x, expected(pictures[val.indices[2]]), atol=1e-6)
    assert (test[7][1], test.classes) == (7, CIFAR)
    assert np.allclose(test[7][0], expected(pictures[57]), atol=1e-6)


def test_a_pickle_cannot_run_anything(tmp_path):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    (folder / "test_batch").write_bytes(b"cos\nsystem\n(S'touch " + str(tmp_path / "x").encode() + b"'\ntR.")
    with pytest.raises(ValueError, match=r"test_batch is not a batch of CIFAR-10 .*it asks for os\.system"):
        build(Pixels(name="scifar", root=str(tmp_path)), "test")
    assert not (tmp_path / "x").exists()


def test_damaged_and_missing_photographs(tmp_path):
    config = Pixels(name="scifar", root=str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"no cifar-10-batches-py, .* or cifar10_test\.npz"):
        build(config, "test")
    (tmp_path / "cifar-10-batches-bin").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no .*test_batch\.bin"):
        build(config, "test")
    (tmp_path / "cifar-10-batches-bin" / "test_batch.bin").write_bytes(bytes(3000))
    with pytest.raises(ValueError, match="expected 3,073 bytes a picture, got 3,000"):
        build(config, "test")


def test_grey_is_that_of_pillow():
    picture = photographs(1)[0].transpose(1, 2, 0)
    assert np.array_equal(grey(picture), np.asarray(Image.fromarray(picture).convert("L")))


def test_real_photographs_as_jpeg(data_dir):
    root = data_dir / "cifar10_jpeg"
    test = build(Pixels(name="scifar", root=str(root)), "test")
    with np.load(root / "cifar10_test.npz") as z:
        raw = z["header"].tobytes() + z["payload"][z["offsets"][5] : z["offsets"][6]].tobytes()
    image = np.asarray(Image.open(io.BytesIO(raw)).convert("RGB")).transpose(2, 0, 1)
    x, label = test[5]
    assert (len(test), label) == (10_000, 5)
    assert np.allclose(x, expected(image), atol=1e-6)
