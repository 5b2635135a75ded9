"""The workloads of the published networks, on sizes that take no time; what they measure is `make bench`'s to say."""

import copy
import math
import sys

import pytest
import torch
from torch import Tensor

from benchmarks import published, published_layers
from benchmarks.gate import WrongResult
from benchmarks.harness import Settings
from ranvier import models
from ranvier.layers.fold import replace_modules
from ranvier.neurons import LIF

TINY = Settings(size="tiny", peers=False)


@pytest.mark.parametrize("workload", [published, published_layers])
def test_workload_measures_something(workload) -> None:
    rows = workload.run(TINY)
    assert {row["unit"] for row in rows} <= {"ms", "MiB", "%", "x"}
    assert all(math.isfinite(row["value"]) and row["value"] >= 0 for row in rows)
    assert all(row["value"] > 0 for row in rows if row["unit"] != "%")
    assert len({(row["name"], row["column"], row["unit"]) for row in rows}) == len(rows)


def test_a_peer_that_is_not_there_is_in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spikingjelly", None)
    missing = [row for row in published.run(Settings(size="tiny")) if row["value"] is None]
    assert [row["column"] for row in missing] == ["SpikeFPN", "SpikingEDN"]
    assert all(row["name"] == published.PEER and "spikingjelly" in row["note"] for row in missing)


def test_a_peer_that_computes_something_else_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "SpikingJelly", lambda ours: LIF(decay=0.5, v_threshold=ours.v_threshold))
    with pytest.raises(WrongResult, match="SpikeFPN: SpikingJelly float32 moves"):
        published.run(Settings(size="tiny"))


def test_every_block_has_the_input_that_it_has_in_our_network() -> None:
    net, x = published.random_network(*published.TINY["SpikeFPN"])
    other = copy.deepcopy(net)
    assert published.moved_in_blocks(net, other, x) == 0
    # Silence in the first layer moves its own spikes alone, though the whole network hears it.
    torch.nn.init.constant_(other.maps.stem0[1].module.bias, -9.0)  # type: ignore[union-attr]
    spikes, _ = published.heard(net, x)
    assert float(spikes[0].sum()) > 0
    share = float(spikes[0].sum()) / sum(s.numel() for s in spikes)
    assert published.moved_in_blocks(net, other, x) == pytest.approx(share)


def test_what_16_bits_change_in_a_trained_network(finished_run) -> None:
    rows = published.trained(finished_run.path)
    assert len(rows) == 6
    found = {row["name"]: row["value"] for row in rows}
    assert found[f"{published.FOLDED}: decisions that differ"] < 1
    assert found[f"{published.FOLDED}: largest difference of an answer"] < 0.1
    assert found[f"{published.BFLOAT}: spikes that differ"] < 5


def test_decisions() -> None:
    boxes = torch.tensor([[2.0, 0.0, 1.0, 0, 0, 0, 0], [-2.0, 0.0, 1.0, 0, 0, 0, 0], [1.0, 3.0, 1.0, 0, 0, 0, 0]])
    assert published.decisions(boxes.view(1, 1, 3, 7)).tolist() == [[[1, -1, 0]]]
    pixels = torch.zeros(2, 1, 3, 4, 5)
    pixels[:, :, 2] = 1
    assert torch.equal(published.decisions(pixels), torch.full((2, 1, 4, 5), 2))


def test_every_layer_of_the_published_network_that_sees_spikes() -> None:
    config, shape = published.PUBLISHED["SpikeFPN"]
    with torch.device("meta"):
        layers = published_layers.spike_fed(models.build(config), torch.zeros(shape))
    assert sum(layers.values()) == 52
    assert [str(layer) for layer in layers][:2] == ["48 to 96, 3x3 stride 2, 128x128", "48 to 64, 3x3, 64x64"]
    assert {layer.samples for layer in layers} == {3}


def test_densities_of_a_trained_network(finished_run) -> None:
    found = published_layers.measured(finished_run.path)
    rates = finished_run.result["firing_rate"].values()
    assert list(found.values()) == [min(rates), sum(rates) / len(rates), max(rates)]
    assert all(finished_run.path.name in column for column in found)


def test_neurons_are_replaced_everywhere() -> None:
    class Silent(LIF):
        def forward(self, x: Tensor, carry=None) -> Tensor:  # type: ignore[override]
            return torch.zeros_like(x)

    net, x = published.random_network(*published.TINY["SpikingEDN"])
    silent = replace_modules(copy.deepcopy(net), lambda m: Silent(decay=0.2) if type(m) is LIF else m)
    assert sum(float(s.sum()) for s in published.heard(silent, x)[0]) == 0
