"""Damaged files are named, whatever is wrong with them."""

import gzip
import zipfile

import numpy as np
import pytest

from ranvier.data.datasets import build
from ranvier.data.sequences.files import read_bytes, read_npz, read_text
from ranvier.recipes import ListOps, Pixels, Speech

PACKED = gzip.compress(b"many words " * 100)
FLIPPED = PACKED[:20] + bytes([PACKED[20] ^ 0xFF]) + PACKED[21:]


@pytest.mark.parametrize("raw", [b"", b"no gzip", PACKED[:-9], FLIPPED], ids=["empty", "other", "short", "flipped"])
def test_damaged_gzip(tmp_path, raw):
    path = tmp_path / "test_d20s.tsv.gz"
    path.write_bytes(raw)
    message = "holds no expressions" if not raw else r"test_d20s\.tsv\.gz is not a readable gzip file .*download it"
    with pytest.raises(ValueError, match=message):
        build(ListOps(root=str(tmp_path), test="d20s"), "test")


def test_gzip_is_unpacked_by_its_name(tmp_path):
    for name, raw in (("a.gz", PACKED), ("a", b"many words " * 100)):
        (tmp_path / name).write_bytes(raw)
        assert read_bytes(tmp_path / name) == b"many words " * 100
    (tmp_path / "a").write_bytes("süß".encode("latin1"))
    with pytest.raises(ValueError, match="a is no text in UTF-8"):
        read_text(tmp_path / "a")


def test_damaged_npz(tmp_path):
    path = tmp_path / "mnist.npz"
    images, labels = np.zeros((20, 28, 28), np.uint8), np.arange(20, dtype=np.uint8) % 10
    np.savez_compressed(path, x_test=images, y_test=labels)
    assert [array.shape for array in read_npz(path, "y_test", "x_test")] == [(20,), (20, 28, 28)]
    whole = path.read_bytes()
    for raw in (b"", b"no archive", whole[:-30], whole[:60] + bytes(20) + whole[80:]):
        path.write_bytes(raw)
        with pytest.raises(ValueError, match=r"mnist\.npz is not an \.npz file with the arrays x_test, y_test"):
            build(Pixels(root=str(tmp_path)), "test")
    path.write_bytes(whole)
    with pytest.raises(ValueError, match=r"with the arrays x_train, y_train .*download it again"):
        build(Pixels(root=str(tmp_path)), "train")


def test_labels_out_of_range(tmp_path):
    np.savez(tmp_path / "mnist.npz", x_test=np.zeros((2, 28, 28), np.uint8), y_test=np.array([3, 10], np.uint8))
    with pytest.raises(ValueError, match=r"expected labels 0 to 9 in .*, got 10: download MNIST again"):
        build(Pixels(root=str(tmp_path)), "test")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_damaged_zip(tmp_path, method):
    path = tmp_path / "digits.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("0_ann_0.wav", bytes(range(256)) * 8)
    whole = path.read_bytes()
    for raw in (whole[:-10], whole[:60] + bytes(9) + whole[69:]):
        path.write_bytes(raw)
        with pytest.raises(ValueError, match=r"digits\.zip is not a readable zip file"):
            build(Speech(root=str(tmp_path)), "test")
