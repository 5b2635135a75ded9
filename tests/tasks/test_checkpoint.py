"""A checkpoint returns every bit, and loads without pickle."""

from pathlib import Path

import pytest
import torch
from torch import nn

from ranvier.tasks.checkpoint import Checkpoint, pack_optimizer, unpack_optimizer


def trained() -> tuple[nn.Module, torch.optim.Optimizer]:
    net = nn.Conv2d(2, 3, 3).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.1)
    for _ in range(3):
        net(torch.rand(1, 2, 5, 5)).sum().backward()
        optimizer.step()
    return net, optimizer


def test_round_trip(tmp_path: Path) -> None:
    net, optimizer = trained()
    progress = {"step": 3, "loss": 0.1 + 0.2, "tally": {"count": 1}}
    Checkpoint(net.state_dict(), pack_optimizer(optimizer), {"w": torch.ones(2)}, progress).write(tmp_path / "c")
    loaded = Checkpoint.read(tmp_path / "c")
    assert loaded.progress == progress
    assert loaded.best["w"].tolist() == [1.0, 1.0]
    assert all(torch.equal(value, loaded.net[name]) for name, value in net.state_dict().items())
    other_net, _ = trained()
    other = torch.optim.AdamW(other_net.parameters(), lr=0.1)
    unpack_optimizer(other, loaded.optimizer)
    before, after = optimizer.state_dict()["state"], other.state_dict()["state"]
    assert all(torch.equal(before[i][key], after[i][key]) for i in before for key in before[i])


def test_tied_weights_are_written(tmp_path: Path) -> None:
    shared = torch.rand(2)
    Checkpoint({"a": shared, "b": shared}, {}).write(tmp_path / "c")
    assert torch.equal(Checkpoint.read(tmp_path / "c").net["b"], shared)


def test_no_pickle_inside(tmp_path: Path) -> None:
    net, optimizer = trained()
    Checkpoint(net.state_dict(), pack_optimizer(optimizer)).write(tmp_path / "c")
    with pytest.raises(Exception, match=r"(?i)pickle|invalid|unsupported"):
        torch.load(tmp_path / "c", weights_only=False)


def test_a_weight_that_is_not_finite_leaves_the_file_of_before(tmp_path: Path) -> None:
    Checkpoint({"w": torch.zeros(1)}, {}).write(tmp_path / "c")
    with pytest.raises(FloatingPointError, match="w"):
        Checkpoint({"w": torch.tensor([float("inf")])}, {}).write(tmp_path / "c")
    assert Checkpoint.read(tmp_path / "c").net["w"].item() == 0
