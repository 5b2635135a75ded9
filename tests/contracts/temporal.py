"""What every temporal module promises. Enrolling one is one line:

TestLIF = temporal(lambda: LIF(tau=2.0), features=(3,))
"""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from ranvier import Carry, Temporal

TIME, BATCH = 9, 3
SPLITS = [[9], [1] * 9, [4, 5], [2, 0, 6, 1]]


def temporal(make: Callable[[], nn.Module], *, features: tuple[int, ...]) -> type:
    """Return a test class that holds `make()`, a module on `[T, B, *features]`, to the contract."""
    return type("TemporalContract", (TemporalContract,), {"make": staticmethod(make), "features": features})


class TemporalContract:
    make: Callable[[], nn.Module]
    features: tuple[int, ...]

    def net(self, dtype: torch.dtype = torch.float64) -> nn.Module:
        torch.manual_seed(0)
        return self.make().to(dtype).eval()

    def input(self, seed: int = 1, batch: int = BATCH, dtype: torch.dtype = torch.float64) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        x = torch.randn(TIME, batch, *self.features, generator=generator, dtype=torch.float64)
        return (x + 0.5).to(dtype)

    @staticmethod
    def chunked(net: nn.Module, x: Tensor, sizes: list[int], carry: Carry) -> Tensor:
        return torch.cat([net(chunk, carry) for chunk in x.split(sizes)])

    @pytest.mark.parametrize("sizes", SPLITS, ids=str)
    def test_any_split_gives_the_outputs_and_gradients_of_the_whole(self, sizes: list[int]) -> None:
        net = self.net()
        results = []
        for run in (net, lambda x: self.chunked(net, x, sizes, Carry())):
            x = self.input().requires_grad_()
            y = run(x)
            weight = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)
            inputs = [x, *(p for p in net.parameters() if p.requires_grad)]
            results.append((y, *torch.autograd.grad((y * weight).sum(), inputs, materialize_grads=True)))
        for whole, pieces in zip(*results, strict=True):
            torch.testing.assert_close(pieces, whole, rtol=1e-10, atol=1e-12)

    def test_an_empty_carry_is_rest(self) -> None:
        net, x = self.net(), self.input()
        torch.testing.assert_close(net(x, Carry()), net(x))

    def test_no_hidden_state(self) -> None:
        net, x = self.net(), self.input()
        before = copy.deepcopy(net)
        first = net(x, Carry())
        assert torch.equal(net(x), first)
        assert set(vars(net)) == set(vars(before))
        for (name, tensor), (_, old) in zip(net.state_dict().items(), before.state_dict().items(), strict=True):
            assert torch.equal(tensor, old), f"forward changed {name}"

    def test_reset_lanes_start_again_and_others_go_on(self) -> None:
        net, carry = self.net(), Carry()
        first, second = self.input(1), self.input(2)
        net(first, carry)
        going_on = net(second, carry.clone())
        carry.reset([1])
        y = net(second, carry)
        torch.testing.assert_close(y[:, 1], net(second)[:, 1])
        torch.testing.assert_close(y[:, [0, 2]], going_on[:, [0, 2]])

    def test_lanes_do_not_see_each_other(self) -> None:
        net, x = self.net(), self.input()
        torch.testing.assert_close(net(x[:, [2, 0]]), net(x)[:, [2, 0]])

    def test_carry_round_trip_by_name(self) -> None:
        net, carry = self.net(), Carry()
        net(self.input(1), carry)
        saved = {name: tensor.clone() for name, tensor in carry.state_dict(net).items()}
        other, restored = copy.deepcopy(net), Carry()
        restored.load_state_dict(other, saved)
        assert torch.equal(other(self.input(2), restored), net(self.input(2), carry))

    def test_every_state_has_the_batch_first(self) -> None:
        net, carry = self.net(), Carry()
        net(self.input(), carry)
        for module, state in carry.items():
            rest = module.rest(BATCH, next(iter(state.values())))
            assert rest.keys() == state.keys()
            for name, tensor in state.items():
                assert tensor.shape[0] == BATCH
                assert rest[name].shape == tensor.shape

    def test_a_wrong_batch_is_a_clear_error(self) -> None:
        net, carry = self.net(), Carry()
        net(self.input(), carry)
        if not len(carry):
            pytest.fail("a temporal module that remembers nothing should not be enrolled")
        with pytest.raises(ValueError, match="remembers a batch of 3 lanes"):
            net(self.input(batch=2), carry)

    def test_an_error_leaves_the_carry_as_it_was(self) -> None:
        net, carry = self.net(), Carry()
        net(self.input(), carry)
        before = {name: tensor.clone() for name, tensor in carry.state_dict(net).items()}

        class Fails(Temporal):
            def __init__(self) -> None:
                super().__init__()
                self.net = net

            def forward(self, x: Tensor, carry: Carry | None = None) -> Tensor:
                self.net(x, carry)
                raise RuntimeError("half-way")

        with pytest.raises(RuntimeError, match="half-way"):
            Fails()(self.input(2), carry)
        for name, tensor in carry.state_dict(net).items():
            assert torch.equal(tensor, before[name])

    def test_float32_and_determinism(self) -> None:
        net = self.net(torch.float32)
        x = self.input(dtype=torch.float32)
        y = net(x)
        assert y.dtype == torch.float32
        assert torch.equal(net(x), y)

    def test_compiles_into_one_graph_with_and_without_a_carry(self) -> None:
        net, x = self.net(), self.input()
        torch._dynamo.reset()
        compiled = torch.compile(net, fullgraph=True, backend="eager")
        with torch.no_grad():
            expected = net(x)
            torch.testing.assert_close(compiled(x), expected, rtol=1e-10, atol=1e-12)
            torch.testing.assert_close(self.chunked(compiled, x, [4, 5], Carry()), expected, rtol=1e-10, atol=1e-12)

    def test_carry_moves_between_dtypes(self) -> None:
        net, carry = self.net(), Carry()
        net(self.input(1), carry)
        low = copy.deepcopy(net).to(torch.float32)
        moved = Carry()
        moved.load_state_dict(low, carry.to(torch.float32).state_dict(net))
        y = low(self.input(2, dtype=torch.float32), moved)
        assert y.dtype == torch.float32

    def test_detached_carry_cuts_the_graph(self) -> None:
        net, carry = self.net(), Carry()
        x = self.input().requires_grad_()
        net(x, carry)
        y = net(self.input(2), carry.detach())
        grad = torch.autograd.grad(y.sum(), x, allow_unused=True)[0] if y.requires_grad else None
        assert grad is None
