"""Threads, forks and data-loader workers: where OpenMP hangs, ours must answer."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from ranvier.kernels import lif, native, pool


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def layer(seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(8, 2, 3, 5000, generator=generator).requires_grad_()
    decay = torch.tensor([0.2, 0.5, 0.8], requires_grad=True)
    out = lif(x, decay=decay)
    grad, grad_decay = torch.autograd.grad(out.s.sum() + out.v.sum(), (x, decay))
    return torch.cat([out.s.detach().flatten(), grad.flatten(), grad_decay])


def test_slices_cover_everything_once(two_threads: None) -> None:
    assert pool.slices(10, grain=64) == [(0, 10)]
    for length in (128, 1000, 4097):
        pieces = pool.slices(length, grain=64)
        assert len(pieces) == 2
        assert [i for start, stop in pieces for i in range(start, stop)] == list(range(length))
        assert pieces[0][1] % 64 == 0


def test_two_threads_equal_one(two_threads: None) -> None:
    shared = layer(0)
    torch.set_num_threads(1)
    alone = layer(0)
    assert torch.equal(shared[:-3], alone[:-3])
    torch.testing.assert_close(shared[-3:], alone[-3:])


def test_four_python_threads_at_once(two_threads: None) -> None:
    expected = [layer(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as executor:
        for _ in range(5):
            for found, right in zip(executor.map(layer, range(4)), expected, strict=True):
                assert torch.equal(found, right)


class Layers(Dataset):
    def __len__(self) -> int:
        return 4

    def __getitem__(self, seed: int) -> tuple[torch.Tensor, int]:
        answer = layer(seed)
        torch.set_num_threads(2)  # even where a worker asks for threads, kernels stay serial
        pieces = len(pool.slices(1 << 20, grain=64))
        torch.set_num_threads(1)  # torch's own OpenMP would hang here
        return answer, pieces


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_works_after_fork_in_data_loader_workers(two_threads: None) -> None:
    assert native.library() is not None
    expected = [layer(seed) for seed in range(4)]  # the pool of the parent runs before the fork
    loader = DataLoader(Layers(), batch_size=1, num_workers=2, multiprocessing_context="fork", timeout=60)
    for seed, (found, pieces) in enumerate(loader):
        torch.testing.assert_close(found[0], expected[seed])
        assert pieces.item() == 1


def test_an_error_in_a_slice_is_raised(two_threads: None) -> None:
    def fails(index: int, start: int, stop: int) -> None:
        if index == 1:
            raise RuntimeError("slice 1")

    with pytest.raises(RuntimeError, match="slice 1"):
        pool.run(fails, [(0, 1), (1, 2)])
