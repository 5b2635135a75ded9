"""Memory is an argument: the state of a network between the chunks of a stream.

A temporal module keeps nothing. It takes an optional `Carry`, reads its own slot and writes what the next chunk needs:

    carry = Carry()
    for chunk in camera:          # [T, B, ...], T may be 1
        y = net(chunk, carry)

The law that every temporal module obeys: any split of a sequence into chunks gives the same outputs and the same
gradients as the whole.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

State = dict[str, Tensor]
"""The named state tensors of one module; each has the batch on axis 0."""


class Temporal(nn.Module):
    """A module whose output at one step depends on earlier steps.

    `forward(x, carry=None)` takes `x` as `[T, B, ...]`, or a sequence of such tensors. A module that owns state
    implements `rest` and, in `forward`, calls `carry.read(self, x)` once and `carry.write(self, state)` once. A module
    that only passes the carry on to children needs neither.

    One call of the outermost `Temporal` is one transaction: what the modules inside write becomes visible together,
    after the call has succeeded. An error half-way leaves the carry as it was, and a module that writes twice within
    one call is told so.
    """

    def rest(self, batch: int, like: Tensor) -> State:
        """Return the resting memory for `batch` lanes: what a missing entry and a reset lane both mean.

        Args:
            batch: number of lanes.
            like: a tensor `[B, ...]` that gives trailing shape, dtype and device: one step of input, or the
                first stored state tensor.
        """
        raise NotImplementedError(f"{type(self).__name__} owns no state: it has nothing to rest")

    def __call__(self, x: Tensor | Sequence[Tensor], carry: "Carry | None" = None, *args: Any, **kwargs: Any) -> Any:
        if carry is None:
            return super().__call__(x, None, *args, **kwargs)
        if not isinstance(carry, Carry):
            raise TypeError(f"expected a ranvier.Carry as memory, got {type(carry).__name__}: type net(x, Carry())")
        outermost = carry.begin()
        try:
            y = super().__call__(x, carry, *args, **kwargs)
        except BaseException:
            carry.end(outermost, keep=False)
            raise
        carry.end(outermost, keep=True)
        return y


class Carry(Mapping[nn.Module, State]):
    """The explicit memory of a network: a mapping from temporal module to its state tensors.

    Create one per stream, pass it along with each chunk. It can be cloned, moved, detached (truncated
    backpropagation), saved by module name and reset for some lanes of the batch.
    """

    def __init__(self) -> None:
        self._slots: dict[nn.Module, State] = {}
        self._pending: dict[nn.Module, State] | None = None

    def __getitem__(self, module: nn.Module) -> State:
        return self._slots[module]

    def __iter__(self) -> Iterator[nn.Module]:
        return iter(self._slots)

    def __len__(self) -> int:
        return len(self._slots)

    # A mapping compares by content; comparing tensors has no single answer, so two carries are equal when identical.
    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        lines = [
            f"  {type(module).__name__}: " + ", ".join(f"{name} {list(s.shape)}" for name, s in state.items())
            for module, state in self._slots.items()
        ]
        return "Carry(" + ("\n" + "\n".join(lines) + "\n" if lines else "at rest") + ")"

    def begin(self) -> bool:
        """Open a transaction unless one is open; return whether this call opened it."""
        if self._pending is not None:
            return False
        self._pending = {}
        return True

    def end(self, outermost: bool, *, keep: bool) -> None:
        """Close the transaction that `begin` opened, keeping or dropping what was written."""
        if outermost and self._pending is not None:
            if keep:
                self._slots.update(self._pending)
            self._pending = None

    def read(self, module: Temporal, x: Tensor) -> State | None:
        """Return the state of `module` at the start of this chunk `[T, B, ...]`, or `None` when it is at rest.

        Raises:
            ValueError: the stored batch is not the batch of `x`.
        """
        state = self._slots.get(module)
        if state is not None:
            for name, stored in state.items():
                if stored.shape[0] != x.shape[1]:
                    raise ValueError(
                        f"{type(module).__name__} remembers a batch of {stored.shape[0]} lanes (state {name!r} is "
                        f"{tuple(stored.shape)}), got input {tuple(x.shape)} with {x.shape[1]}: start a new Carry() "
                        "for a new batch"
                    )
        return state

    def write(self, module: Temporal, state: State) -> None:
        """Store what `module` remembers after this chunk.

        Raises:
            RuntimeError: `module` has already written within this forward.
        """
        if self._pending is None:
            self._slots[module] = state
            return
        if module in self._pending:
            raise RuntimeError(
                f"{type(module).__name__} was used twice in one forward and would overwrite its own memory: fold the "
                "two inputs into the batch with torch.cat((left, right), dim=1), or use two modules"
            )
        self._pending[module] = state

    def _map(self, function: Callable[[Tensor], Tensor]) -> "Carry":
        carry = Carry()
        carry._slots = {
            module: {name: function(tensor) for name, tensor in state.items()} for module, state in self._slots.items()
        }
        return carry

    def clone(self) -> "Carry":
        """Return an independent copy; gradients still flow to the original."""
        return self._map(Tensor.clone)

    def detach(self) -> "Carry":
        """Return the same memory cut off from the graph (truncated backpropagation through time)."""
        return self._map(Tensor.detach)

    def to(self, *args: Any, **kwargs: Any) -> "Carry":
        """Return the memory moved as by `Tensor.to`; integer states (positions) keep their dtype."""
        dtype = torch.zeros(()).to(*args, **kwargs).dtype

        def move(tensor: Tensor) -> Tensor:
            moved = tensor.to(*args, **kwargs)
            return moved if tensor.is_floating_point() or moved.dtype != dtype else moved.to(tensor.dtype)

        return self._map(move)

    def reset(self, lanes: Tensor | list[int] | None = None) -> None:
        """Put lanes of the batch back to rest, in place: a new recording starts there.

        Args:
            lanes: a boolean mask `[B]`, or lane numbers; `None` resets all.
        """
        if lanes is None:
            self._slots.clear()
            return
        for module, state in self._slots.items():
            first = next(iter(state.values()))
            batch = first.shape[0]
            mask = _lane_mask(lanes, batch, first.device)
            rest = module.rest(batch, first)  # type: ignore[operator]
            self._slots[module] = {
                name: torch.where(mask.view(-1, *[1] * (stored.ndim - 1)), rest[name].to(stored.dtype), stored)
                for name, stored in state.items()
            }

    def state_dict(self, net: nn.Module) -> dict[str, Tensor]:
        """Return `{"<module name in net>.<state name>": tensor}`, detached; wrappers leave no trace in the names.

        Raises:
            KeyError: this carry remembers a module that is not part of `net`.
        """
        names = {module: name for name, module in unwrap(net).named_modules()}
        saved = {}
        for module, state in self._slots.items():
            if module not in names:
                raise KeyError(f"this carry remembers a {type(module).__name__} that is not part of the given network")
            for name, tensor in state.items():
                saved[f"{names[module]}.{name}".lstrip(".")] = tensor.detach()
        return saved

    def load_state_dict(self, net: nn.Module, saved: Mapping[str, Tensor]) -> None:
        """Replace the memory by what `state_dict(net)` saved, for this or an equal network.

        Raises:
            KeyError: `net` has no temporal module of a saved name; the carry is left as it was.
        """
        modules = dict(unwrap(net).named_modules())
        slots: dict[nn.Module, State] = {}
        for key, tensor in saved.items():
            path, _, name = key.rpartition(".")
            module = modules.get(path)
            if not isinstance(module, Temporal):
                raise KeyError(f"no temporal module {path!r} in the given network, needed for saved state {key!r}")
            slots.setdefault(module, {})[name] = tensor
        self._slots = slots


def unwrap(net: nn.Module) -> nn.Module:
    """Return the network inside `torch.compile` and `DistributedDataParallel` wrappers."""
    while True:
        if hasattr(net, "_orig_mod"):
            net = net._orig_mod  # type: ignore[assignment]
        elif isinstance(net, nn.parallel.DistributedDataParallel):
            net = net.module
        else:
            return net


def _lane_mask(lanes: Tensor | list[int], batch: int, device: torch.device) -> Tensor:
    chosen = torch.as_tensor(lanes, device=device)
    if chosen.dtype == torch.bool:
        if chosen.shape != (batch,):
            raise ValueError(f"expected a lane mask of shape ({batch},), got {tuple(chosen.shape)}")
        return chosen
    if chosen.numel() and not (int(chosen.min()) >= 0 and int(chosen.max()) < batch):
        raise ValueError(f"expected lane numbers in 0..{batch - 1}, got {chosen.tolist()}")
    mask = torch.zeros(batch, dtype=torch.bool, device=device)
    mask[chosen.long()] = True
    return mask
