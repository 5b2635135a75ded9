"""An S4D layer over whole sequences: the scan, the convolution, and S4D as it is commonly written in plain PyTorch.

The rival keeps channels before time, evaluates its impulse response as a matrix of powers [H, N/2, L] and convolves by
FFT. All share their parameters; every round is a training step, forward and backward.
"""

import copy

import torch
from torch import Tensor, nn

from benchmarks.gate import check
from benchmarks.harness import Call, Row, Settings, row, take_turns
from ranvier.layers.ssm import S4D

SCAN, FFT, PLAIN = "ranvier, scan", "ranvier, fft", "plain PyTorch"
LANES = {"full": (8, 256), "quick": (2, 64), "tiny": (2, 3)}
LENGTHS = {"full": (256, 1024, 4096, 16384), "quick": (256, 1024), "tiny": (20,)}
TARGET = 1.3


class Plain(nn.Module):
    """The layer of `S4D` on `[B, H, L]` from materialised powers."""

    def __init__(self, layer: S4D) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, u: Tensor) -> Tensor:
        layer, steps = self.layer, u.shape[-1]
        dt = layer.log_dt.exp()
        a = torch.complex(-layer.log_decay.exp(), layer.frequency)
        z = a * dt.unsqueeze(-1)
        c = torch.view_as_complex(layer.c[0]) * (torch.exp(z) - 1) / a
        powers = torch.exp(z.unsqueeze(-1) * torch.arange(steps, device=u.device))
        response = 2 * torch.einsum("hn,hnl->hl", c, powers).real
        spectrum = torch.fft.rfft(u, n=2 * steps) * torch.fft.rfft(response, n=2 * steps)
        return torch.fft.irfft(spectrum, n=2 * steps)[..., :steps] + layer.d.unsqueeze(-1) * u


def run(settings: Settings) -> list[Row]:
    """Return the time of a training step of each, by length and number of modes, and what the scan gains."""
    batch, channels = LANES[settings.size]
    rows = []
    for state in (64, 4):
        for steps in LENGTHS[settings.size]:
            column = f"L={steps} N={state}"
            rounds = take_turns(
                _calls(steps, batch, channels, state, settings.device),
                rounds=settings.rounds,
                device=settings.device,
                slow_s=60.0,
            )
            rows += rounds.per_element(steps * batch * channels, column=column)
            target = TARGET if settings.device == "cpu" else None
            rows.append(row(f"faster than {PLAIN}", rounds.ratio(PLAIN, SCAN), "x", column=column, target=target))
            rows.append(row(f"faster than {FFT}", rounds.ratio(FFT, SCAN), "x", column=column))
    return rows


def _calls(steps: int, batch: int, channels: int, state: int, device: str) -> dict[str, Call]:
    """Return a training step of each rival after it was compared with the plain one."""
    torch.manual_seed(0)
    layer = S4D(channels, state=state).to(device)
    x = torch.randn(steps, batch, channels, device=device)
    by_channel = x.permute(1, 2, 0).contiguous()
    nets: dict[str, tuple[nn.Module, Tensor]] = {PLAIN: (Plain(copy.deepcopy(layer)), by_channel)}
    for name, method in ((SCAN, "scan"), (FFT, "fft")):
        net = copy.deepcopy(layer)
        net.method = method
        nets[name] = (net, x)
    expected = nets[PLAIN][0](by_channel).permute(2, 0, 1)
    for name in (SCAN, FFT):
        check(f"S4D {name}", nets[name][0](x), expected, rtol=1e-4)
    return {name: lambda net=net, x=x: _step(net, x) for name, (net, x) in nets.items()}


def _step(net: nn.Module, x: Tensor) -> None:
    x = x.detach().requires_grad_()
    y = net(x)
    torch.autograd.backward(y, x.detach())
