"""Spatial pyramid pooling: its size, what each branch sees, and that nothing but spikes is passed on."""

import torch
from torch import nn

from ranvier.audit import audit
from ranvier.layers.aspp import ASPP
from ranvier.neurons import LIF
from ranvier.record import record


def lif() -> LIF:
    return LIF(decay=0.2, v_threshold=0.5, strict=True)


def test_the_published_size() -> None:
    with torch.device("meta"):
        pool = ASPP(96, 256, lif)
    assert sum(p.numel() for p in pool.parameters()) == 1_043_456
    norms = [module for module in pool.modules() if isinstance(module, nn.BatchNorm2d)]
    assert {norm.momentum for norm in norms} == {3e-4}
    assert len(norms) == 6
    assert [branch[0].dilation for branch in pool.dilated] == [(6, 6), (12, 12), (18, 18)]


def test_every_convolution_sees_spikes() -> None:
    torch.manual_seed(0)
    pool = ASPP(6, 8, lif, dilations=(1, 2), momentum=0.1)
    x = (torch.rand(4, 2, 6, 9, 7) < 0.3).float()
    pool(x)
    cost = audit(pool, x)
    assert len(cost.layers) == 5
    assert all(layer.multiplication_free for layer in cost.layers)
    assert cost.uncounted == ()
    y, said = record(pool, x)
    assert torch.equal(y, said["mix.2"])
    assert 0 < y.mean() < 1


def test_a_dilated_branch_sees_pixels_at_its_distance() -> None:
    pool = ASPP(1, 1, nn.ReLU, dilations=(3,)).eval()
    nn.init.ones_(pool.dilated[0][0].weight)
    x = torch.zeros(1, 1, 1, 9, 9)
    x[..., 4, 4] = 1
    seen = pool.dilated[0](x)[0, 0, 0].nonzero().tolist()
    assert seen == [[i, j] for i in (1, 4, 7) for j in (1, 4, 7)]


def test_the_whole_map_is_averaged_and_fires_before_it_is_convolved() -> None:
    pool = ASPP(1, 1, lif, dilations=()).eval()
    _, said = record(pool, torch.tensor([0.4, 0.6, 0.4, 0.45]).view(4, 1, 1, 1, 1).expand(4, 1, 1, 5, 3))
    # 0.4; 0.08 + 0.6 fires; 0.4 again; 0.08 + 0.45 fires
    assert said["whole.1"].flatten().tolist() == [0, 1, 0, 1]
