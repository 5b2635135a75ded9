"""Networks: one file a published system, no training code. `build` finds the one that a recipe names."""

import importlib
from typing import Any

from torch import nn

BUILDERS = {
    "conv_classifier": "ranvier.models.conv_classifier:conv_classifier",
    "spikefpn": "ranvier.models.spikefpn:spikefpn",
    "spikingedn": "ranvier.models.spikingedn:spikingedn",
    "sdn": "ranvier.models.sdn:sdn",
    "spikingssm": "ranvier.models.spikingssm:spikingssm",
    "spikinglm": "ranvier.models.spikinglm:SpikingLanguageModel",
}
"""The field `name` of a model's dataclass and the function that builds it."""


def build(config: Any) -> nn.Module:
    """Return the network, with fresh weights, that the `model` of a recipe describes.

    Raises:
        ValueError: no builder has this name.
    """
    if config.name not in BUILDERS:
        raise ValueError(f"no model {config.name!r}: expected one of {', '.join(BUILDERS)}")
    module, function = BUILDERS[config.name].split(":")
    return getattr(importlib.import_module(module), function)(config)
