import torch
from torch import Tensor, nn

from ranvier.audit import peak_memory


class Chain(nn.Module):
    """Keeps `kept` intermediate tensors alive at once."""

    def __init__(self, kept: bool) -> None:
        super().__init__()
        self.kept = kept

    def forward(self, x: Tensor) -> Tensor:
        a = x + 1
        b = a + 1
        if not self.kept:
            del a
        c = b + 1
        return c if not self.kept else a + c


def test_peak_counts_what_lives_together():
    x = torch.zeros(10, 1, 25)  # 1000 bytes
    assert peak_memory(Chain(kept=False), x) == 2000
    assert peak_memory(Chain(kept=True), x) == 4000


def test_views_parameters_and_input_are_free():
    net = nn.Linear(8, 4)
    x = torch.zeros(3, 1, 8)
    assert peak_memory(nn.Flatten(0), x) == 0
    assert peak_memory(net, x) == 3 * 4 * 4
