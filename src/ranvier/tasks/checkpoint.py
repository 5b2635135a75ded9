"""The state of a training in one file that loads without pickle: safetensors, with the plain values in its header."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ranvier.run import write_atomically

Tensors = dict[str, Tensor]


@dataclass
class Checkpoint:
    """Everything that the next step depends on, beside the recipe.

    `progress` holds plain JSON values. Order of the batches, augmentation, dropout and learning rate are functions of
    (seed, step), so no random state is needed.
    """

    net: Tensors
    optimizer: Tensors
    best: Tensors = field(default_factory=dict)
    progress: dict[str, Any] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Replace the file at `path` in one piece.

        Raises:
            FloatingPointError: a weight is not finite: the file of before is the last good one.
        """
        for name, tensor in self.net.items():
            if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
                raise FloatingPointError(name)
        groups = {"net": self.net, "optimizer": self.optimizer, "best": self.best}
        # Tensors that share memory (tied weights) are refused by the format: each is written on its own.
        flat = {
            f"{group}.{name}": tensor.detach().cpu().contiguous().clone()
            for group, tensors in groups.items()
            for name, tensor in tensors.items()
        }
        write_atomically(path, save(flat, metadata={"progress": json.dumps(self.progress)}))

    @classmethod
    def read(cls, path: Path) -> "Checkpoint":
        """Read what `write` wrote.

        Raises:
            ValueError: the file is damaged.
        """
        groups: dict[str, Tensors] = {"net": {}, "optimizer": {}, "best": {}}
        try:
            with safe_open(path, framework="pt") as file:
                for key in file.keys():  # noqa: SIM118 - not a mapping
                    group, _, name = key.partition(".")
                    groups[group][name] = file.get_tensor(key)
                progress = json.loads((file.metadata() or {})["progress"])
        except (SafetensorError, KeyError, ValueError) as error:
            raise ValueError(f"{path} is not a checkpoint of ranvier or is damaged: {error}") from error
        return cls(**groups, progress=progress)


def pack_optimizer(optimizer: torch.optim.Optimizer) -> Tensors:
    """Return the optimiser's memory as `{"<parameter number>.<name>": tensor}`."""
    state = optimizer.state_dict()["state"]
    return {f"{number}.{name}": value for number, memory in state.items() for name, value in memory.items()}


def unpack_optimizer(optimizer: torch.optim.Optimizer, packed: Tensors) -> None:
    """Give the optimiser the memory that `pack_optimizer` returned."""
    state: dict[int, Tensors] = {}
    for key, value in packed.items():
        number, name = key.split(".")
        state.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
