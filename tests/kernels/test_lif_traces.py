"""Hand-computed traces printed in the published systems' specifications."""

import pytest
import torch
from torch import Tensor

from ranvier.kernels import lif, reference


def run(x: list[float], **options) -> tuple[list[float], list[float]]:
    current = torch.tensor(x, dtype=torch.float64).view(-1, 1)
    out = lif(current, gradient="full", surrogate="tanh", temperature=3.0, strict=True, return_v=True, **options)
    return out.s.flatten().tolist(), out.v_seq.flatten().tolist()


def thresholds(s: list[float], threshold: float, sign: int, rho: float) -> list[float]:
    a, found = 0.0, []
    for spike in s:
        found.append(threshold + 0.07 * a)
        a = rho * a + sign * spike
    return found


@pytest.fixture(params=["fast", "reference"])
def version(request: pytest.FixtureRequest):
    if request.param == "reference":
        with reference():
            yield
    else:
        yield


@pytest.mark.usefixtures("version")
class TestTraces:
    def test_spikedhs(self) -> None:
        s, v = run([0.45] * 6, decay=0.2, v_threshold=0.5)
        assert s == [0, 1, 0, 1, 0, 1]
        assert v == pytest.approx([0.45, 0.54, 0.45, 0.54, 0.45, 0.54])
        s, v = run([0.2, 0.6, -0.3, 0.4, 0.5, 0.1], decay=0.2, v_threshold=0.5)
        assert s == [0, 1, 0, 0, 1, 0]
        assert v == pytest.approx([0.2, 0.64, -0.3, 0.34, 0.568, 0.1])

    def test_spikefpn_lif(self) -> None:
        s, v = run([0.27] * 6, decay=0.2, v_threshold=0.3)
        assert s == [0, 1, 0, 1, 0, 1]
        assert v == pytest.approx([0.27, 0.324] * 3)

    @pytest.mark.parametrize(
        ("x", "threshold", "sign", "theta", "v", "s"),
        [
            (
                [0.35] * 6, 0.3, 1, [0.3, 0.37, 0.322177, 0.377026, 0.324403, 0.377731],
                [0.35, 0.35, 0.42, 0.35, 0.42, 0.35], [1, 0, 1, 0, 1, 0],
            ),
            ([0.35] * 6, 0.3, -1, [0.3, 0.23, 0.207823, 0.200796, 0.19857, 0.197865], [0.35] * 6, [1] * 6),
            (
                [0.35, 0, 0.28, 0.22, 0.22, 0.1], 0.3, -1, [0.3, 0.23, 0.277823, 0.222974, 0.275597, 0.292269],
                [0.35, 0, 0.28, 0.22, 0.264, 0.1528], [1, 0, 1, 0, 0, 0],
            ),
            (
                [0.55] * 6, 0.5, 1, [0.5, 0.57, 0.522177, 0.577026, 0.524403, 0.577731],
                [0.55, 0.55, 0.66, 0.55, 0.66, 0.55], [1, 0, 1, 0, 1, 0],
            ),
        ],
        ids=["spikefpn+", "spikefpn-", "spikefpn- sparse", "spikingedn"],
    )  # fmt: skip
    def test_adaptive(self, x, threshold, sign, theta, v, s) -> None:
        rho = torch.exp(torch.tensor(-1 / 0.87, dtype=torch.float64))
        spikes, membranes = run(x, decay=0.2, v_threshold=threshold, beta=0.07, rho=rho, sign=sign)
        assert spikes == s
        assert membranes == pytest.approx(v, abs=1e-6)
        assert thresholds(spikes, threshold, sign, float(rho)) == pytest.approx(theta, abs=1e-6)

    def test_published_fusion_adds_the_reset_value_undecayed(self) -> None:
        x, k, rest, threshold = [0.2, 0.3, 0.4, 0.1, 0.5], 0.2, 0.1, 0.3
        v, y, expected = rest, 0.0, []
        for current in x:
            v = k * v * (1 - y) + rest * y + current
            y = float(v > threshold)
            expected.append(v)
        initial = torch.full((1,), k * rest, dtype=torch.float64)  # the stored membrane is the one after the leak
        _, found = run(x, v=initial, decay=k, v_threshold=threshold, v_reset=rest, decay_reset=False)
        assert found == pytest.approx(expected, abs=1e-15)


def test_published_backward_formula() -> None:
    """g(t) = k g(t+1) [1 - y - v delta] + dL/dy delta, of the temporal fusion paper for a reset to 0."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(40, 5, generator=generator, dtype=torch.float64).requires_grad_()
    grad_y = torch.randn(40, 5, generator=generator, dtype=torch.float64)
    out = lif(x, decay=0.2, v_threshold=0.3, surrogate="rectangle", temperature=1.0, return_v=True)
    (found,) = torch.autograd.grad(out.s, x, grad_y)
    v, y = out.v_seq.detach(), out.s.detach()
    delta = ((v - 0.3).abs() < 0.5).double()
    expected: list[Tensor] = []
    g = torch.zeros(5, dtype=torch.float64)
    for t in range(39, -1, -1):
        g = 0.2 * g * (1 - y[t] - v[t] * delta[t]) + grad_y[t] * delta[t]
        expected.append(g)
    torch.testing.assert_close(found, torch.stack(expected[::-1]), rtol=0, atol=4e-16 * 40)
