"""A chain of modules over `[T, B, ...]`: time is folded into the batch for those that know no time."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from ranvier.carry import Carry, Temporal


def fold_time(module: nn.Module, x: Tensor) -> Tensor:
    """Apply a module that knows no time to `[T, B, ...]` by folding time into the batch: one call for all steps.

    Raises:
        ValueError: a linear or convolution layer does not find its features on the axis where they belong.
    """
    if isinstance(module, nn.Conv2d):
        if x.ndim != 5:
            hint = ": add a batch axis with x.unsqueeze(1)" if x.ndim == 4 else ""
            raise ValueError(f"expected [time, batch, channels, height, width], got {tuple(x.shape)}{hint}")
        _check_features(x, 2, module.in_channels)
    elif isinstance(module, nn.Linear):
        _check_features(x, -1, module.in_features)
    y = module(x.flatten(0, 1))
    return y.unflatten(0, x.shape[:2])


def join(parts: Sequence[Tensor]) -> Tensor:
    """Return maps `[T, B, C_i, H, W]` side by side on the channel axis, in the memory order that they have.

    `torch.cat` keeps channels-last maps of four axes and undoes those of five.
    """
    return torch.cat([part.flatten(0, 1) for part in parts], 1).unflatten(0, parts[0].shape[:2])


def _check_features(x: Tensor, axis: int, expected: int) -> None:
    if x.shape[axis] != expected:
        raise ValueError(
            f"expected {expected} features on axis {axis}, got {x.shape[axis]} in {tuple(x.shape)}: time is axis 0, "
            "the batch axis 1, features follow"
        )


class Stack(Temporal):
    """A chain of modules: temporal ones receive `[T, B, ...]` and the carry, plain ones see time folded into the batch.

    Raises:
        TypeError: an argument is no module, or a plain module that holds a temporal one.

    >>> from ranvier.neurons import LIF
    >>> net = Stack(nn.Linear(4, 8), LIF(tau=2.0), nn.Linear(8, 2))
    >>> net(torch.zeros(10, 3, 4)).shape
    torch.Size([10, 3, 2])
    """

    def __init__(self, *modules: nn.Module) -> None:
        super().__init__()
        for i, module in enumerate(modules):
            if not isinstance(module, nn.Module):
                raise TypeError(
                    f"expected modules, got {type(module).__name__} in place {i}: type Stack(first, second)"
                )
            hidden = next((m for m in module.modules() if isinstance(m, Temporal)), None)
            if hidden is not None and not isinstance(module, Temporal):
                raise TypeError(
                    f"a plain {type(module).__name__} (place {i}) holds a {type(hidden).__name__}, which would see "
                    "time folded into the batch: use Stack in place of nn.Sequential, or derive it from Temporal"
                )
            self.add_module(str(i), module)

    def __iter__(self) -> Iterator[nn.Module]:
        return iter(self._modules.values())  # type: ignore[arg-type]

    def __len__(self) -> int:
        return len(self._modules)

    def __getitem__(self, index: int) -> nn.Module:
        return list(self)[index]

    def forward(self, x: Tensor, carry: Carry | None = None) -> Tensor:
        """Return `[T, B, ...]` for input `[T, B, ...]`.

        Raises:
            ValueError: `x` has no time and batch axes in front of its features.
        """
        if x.ndim < 3:
            raise ValueError(
                f"expected [time, batch, features...], got {tuple(x.shape)}: add a batch axis with x.unsqueeze(1)"
            )
        for module in self:
            x = module(x, carry) if isinstance(module, Temporal) else fold_time(module, x)
        return x


class PerStep(Temporal):
    """A plain module applied to each time step separately.

    For batch normalisation this gives the per-step statistics that the older published networks trained with;
    inside a `Stack` a plain module sees all T*B samples at once. It keeps no memory.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor, carry: Carry | None = None) -> Tensor:
        """Return `[T, B, ...]` for input `[T, B, ...]`; in evaluation mode one call serves all steps."""
        if not self.training:
            return fold_time(self.module, x)
        return torch.stack([self.module(step) for step in x.unbind(0)])
