"""The optimisers and learning-rate curves that recipes name."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from ranvier.neurons import AdaptiveLIF
from ranvier.recipes import Train

# Where a geometric warm-up begins, as a share of the peak (SpikingEDN: 5e-6 of 1e-3).
GEOMETRIC_START = 0.005
POLY_POWER = 0.9


def optimizer(net: nn.Module, train: Train) -> torch.optim.Optimizer:
    """Return the optimiser with a fresh memory; after each step it keeps adaptive thresholds in their range.

    adamw: decoupled decay of matrices and kernels; vectors and scalars (biases, norms, time constants) have none.
    amsgrad: Adam with the running maximum of its second moment, and the decay added to the gradient of every parameter.

    A module whose parameters need another learning rate or decay says so in `optimised()`, see
    `ranvier.layers.ssm.S4D`; `scale` of a group is what its learning rate is to be multiplied by.
    """
    found = _optimizer(net, train)

    def project(*_: Any) -> None:
        for module in net.modules():
            if isinstance(module, AdaptiveLIF):
                module.project()

    found.register_step_post_hook(project)
    return found


def _optimizer(net: nn.Module, train: Train) -> torch.optim.Optimizer:
    if train.optimizer == "amsgrad":
        return torch.optim.Adam(_groups(net, train, lambda p: 1.0), lr=train.lr, amsgrad=True)
    return torch.optim.AdamW(_groups(net, train, lambda p: float(p.ndim > 1)), lr=train.lr)


def _groups(net: nn.Module, train: Train, decays: Callable[[nn.Parameter], float]) -> list[dict[str, Any]]:
    """Put together the parameters that are trained alike."""
    special: dict[nn.Parameter, dict[str, float]] = {}
    for module in net.modules():
        special |= {getattr(module, name): own for name, own in getattr(module, "optimised", dict)().items()}
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for p in net.parameters():
        own = special.get(p, {})
        scale = min(train.lr, own.get("most_lr", train.lr)) / train.lr if train.lr else 1.0
        groups.setdefault((scale, train.weight_decay * own.get("decays", decays(p))), []).append(p)
    return [{"params": ps, "scale": scale, "weight_decay": decay} for (scale, decay), ps in groups.items()]


def learning_rate(step: int, steps: int, train: Train) -> float:
    """Return the learning rate of step 0..`steps`-1: a rise over the warm-up, then the schedule.

    `schedule_steps`, if given, stands for `steps`, and the curve stays where it ends. With `r` = warmup_steps, or if
    that is 0 round(warmup * steps), at least 1, and `u` = (step - r) / (steps - r):

        rise, step < r:  linear     lr (step + 1) / r
                         quartic    lr ((step + 1) / r)^4         (SpikeFPN; the release begins at step / r, with 0)
                         geometric  lr 0.005^(1 - step / r)       (SpikingEDN)
        then:            cosine     lr (1 + cos(pi u)) / 2
                         constant   lr                            (SpikeFPN)
                         poly       lr (1 - u)^0.9                (SpikingEDN)

    >>> [round(learning_rate(step, 8, Train(lr=1.0, warmup=0.25)), 3) for step in range(8)]
    [0.5, 1.0, 1.0, 0.933, 0.75, 0.5, 0.25, 0.067]
    """
    steps = train.schedule_steps or steps
    rise = train.warmup_steps or max(1, round(train.warmup * steps))
    if step < rise:
        share = (step + 1) / rise
        shapes = {"linear": share, "quartic": share**4, "geometric": GEOMETRIC_START ** (1 - step / rise)}
        return train.lr * shapes[train.rise]
    u = min(1.0, (step - rise) / max(1, steps - rise))
    shapes = {"cosine": 0.5 * (1 + math.cos(math.pi * u)), "constant": 1.0, "poly": (1 - u) ** POLY_POWER}
    return train.lr * shapes[train.schedule]
