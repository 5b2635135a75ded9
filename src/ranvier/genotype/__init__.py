"""The wiring that an architecture search finds and that `ranvier.layers.cell` builds: plain data, no torch."""

from dataclasses import dataclass
from typing import Literal

Operation = Literal["skip", "conv3x3", "conv3x3_b5", "conv5x5"]
"""What an edge does; `_b5` was found with a surrogate temperature of 5, which only a search can tell from 3."""


@dataclass(frozen=True)
class Genotype:
    """One cell, and the resolutions at which its copies follow one another."""

    name: str = ""
    """what it is called, such as spikefpn"""
    source: str = ""
    """who found it, on what"""
    nodes: int = 3
    """neurons of a cell; node i may read s0, s1 and the nodes before it"""
    edges: tuple[tuple[int, Operation], ...] = ()
    """number and operation of each edge that was kept, two a node"""
    path: tuple[int, ...] = ()
    """level of each cell: level l works at 1/2^l of the stem's resolution with 2^l times its channels"""
    filters: int = 32
    """channels of a node at level 0"""
    blocks: int = 3
    """last nodes that a cell puts side by side"""
    schema: int = 1
