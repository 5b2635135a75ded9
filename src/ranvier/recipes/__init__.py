"""Recipes: the published experiments and the small ones that run anywhere. Listing and loading them needs no torch."""

import difflib
import importlib

from ranvier.recipes.currents import Currents
from ranvier.recipes.data import DDD17, DSEC, EventFrames, NCars, Prophesee, Scenes
from ranvier.recipes.decoder import Decoder
from ranvier.recipes.model import SDN, ConvClassifier, SpikeFPN, SpikingEDN, SpikingLM, SpikingSSM
from ranvier.recipes.neural import Cortex, Neural, Sessions
from ranvier.recipes.recipe import Data, Expected, Model, Recipe, Task, Train
from ranvier.recipes.sequences import Documents, DVSGesture, ListOps, Pathfinder, Pixels, Sequences, Speech, Text
from ranvier.recipes.task import Classify, Decode, Detect, Imitate, Language, Segment

__all__ = [
    "DDD17",
    "DSEC",
    "DVSGesture",
    "RECIPES",
    "SDN",
    "Classify",
    "ConvClassifier",
    "Cortex",
    "Currents",
    "Data",
    "Decode",
    "Decoder",
    "Detect",
    "Documents",
    "EventFrames",
    "Expected",
    "ListOps",
    "Imitate",
    "Language",
    "Model",
    "NCars",
    "Neural",
    "Pathfinder",
    "Pixels",
    "Prophesee",
    "Recipe",
    "Scenes",
    "Segment",
    "Sequences",
    "Sessions",
    "Speech",
    "SpikeFPN",
    "SpikingEDN",
    "SpikingLM",
    "SpikingSSM",
    "Task",
    "Text",
    "Train",
    "load",
]

RECIPES = {
    "nmnist-conv": "ranvier.recipes.classify:nmnist_conv",
    "nmnist-conv-tiny": "ranvier.recipes.classify:nmnist_conv_tiny",
    "digits-conv": "ranvier.recipes.classify:digits_conv",
    "digits-conv-tiny": "ranvier.recipes.classify:digits_conv_tiny",
    "mosaic-spikefpn": "ranvier.recipes.detect:mosaic_spikefpn",
    "mosaic-plain-spikefpn": "ranvier.recipes.detect:mosaic_plain_spikefpn",
    "mosaic-spikefpn-tiny": "ranvier.recipes.detect:mosaic_spikefpn_tiny",
    "drive-spikefpn": "ranvier.recipes.detect:drive_spikefpn",
    "digits-spikefpn": "ranvier.recipes.detect:digits_spikefpn",
    "mosaic-spikingedn": "ranvier.recipes.segment:mosaic_spikingedn",
    "mosaic-spikingedn-tiny": "ranvier.recipes.segment:mosaic_spikingedn_tiny",
    "digits-spikingedn": "ranvier.recipes.segment:digits_spikingedn",
    "drive-spikingedn": "ranvier.recipes.segment:drive_spikingedn",
    "drive-spikingedn-frames": "ranvier.recipes.segment:drive_spikingedn_frames",
    "wikitext2-spikingssm": "ranvier.recipes.language:wikitext2_spikingssm",
    "wikitext103-spikingssm": "ranvier.recipes.language:wikitext103_spikingssm",
    "sdn": "ranvier.recipes.imitate:sdn",
    "sdn-small": "ranvier.recipes.imitate:sdn_small",
    "psmnist-small": "ranvier.recipes.sequence:psmnist_small",
    "spoken-digits": "ranvier.recipes.sequence:spoken_digits",
    "listops-small": "ranvier.recipes.sequence:listops_small",
    "listops-tiny": "ranvier.recipes.sequence:listops_tiny",
    "decode-gru": "ranvier.recipes.decode:decode_gru",
    "decode-rwkv": "ranvier.recipes.decode:decode_rwkv",
    "decode-mamba": "ranvier.recipes.decode:decode_mamba",
    "decode-transformer": "ranvier.recipes.decode:decode_transformer",
    "decode-spiking": "ranvier.recipes.decode:decode_spiking",
    "cortex-gru": "ranvier.recipes.decode:cortex_gru",
    "gen1-spikefpn": "ranvier.recipes.published:gen1_spikefpn",
    "gen1-spikefpn-t5": "ranvier.recipes.published:gen1_spikefpn_t5",
    "1mpx-spikefpn": "ranvier.recipes.published:mpx1_spikefpn",
    "ncars-spikefpn": "ranvier.recipes.published:ncars_spikefpn",
    "ddd17-spikingedn": "ranvier.recipes.published:ddd17_spikingedn",
    "ddd17-spikingedn-frames": "ranvier.recipes.published:ddd17_spikingedn_frames",
    "dsec-spikingedn": "ranvier.recipes.published:dsec_spikingedn",
    "dsec-spikingedn-frames": "ranvier.recipes.published:dsec_spikingedn_frames",
    "lra-listops": "ranvier.recipes.sequence:lra_listops",
    "lra-text": "ranvier.recipes.sequence:lra_text",
    "lra-retrieval": "ranvier.recipes.sequence:lra_retrieval",
    "lra-image": "ranvier.recipes.sequence:lra_image",
    "lra-pathfinder": "ranvier.recipes.sequence:lra_pathfinder",
    "lra-pathx": "ranvier.recipes.sequence:lra_pathx",
    "smnist-spikingssm": "ranvier.recipes.sequence:smnist",
    "psmnist-spikingssm": "ranvier.recipes.sequence:psmnist",
    "sc35-spikingssm": "ranvier.recipes.sequence:speech_commands",
    "dvs-gesture-spikingssm": "ranvier.recipes.sequence:dvs_gesture",
}
"""Name of each recipe and the function that returns it; the first line of its docstring says what it is."""


def load(name: str) -> Recipe:
    """Return the recipe of this name.

    >>> load("nmnist-conv").data.window_us > 0
    True

    Raises:
        KeyError: there is none; the message lists near matches.
    """
    if name not in RECIPES:
        near = difflib.get_close_matches(name, RECIPES, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(RECIPES)}"
        raise KeyError(f"no recipe {name!r}: {hint} (`ranvier recipes` lists all)")
    module, function = RECIPES[name].split(":")
    return getattr(importlib.import_module(module), function)()
