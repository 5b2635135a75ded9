"""Genotypes: the shipped ones are those of the papers, files survive, and what cannot be built is refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ranvier.genotype import Genotype, edge_numbers, load, save, shipped
from ranvier.recipes import SpikeFPN, SpikingEDN
from ranvier.recipes.saved import from_plain, to_plain

# [edge, operation] as printed by the released searches, in their order; path; filters when retrained.
PUBLISHED = {
    "cifar": ([(1, 1), (0, 1), (3, 2), (2, 1), (7, 1), (8, 1)], (0, 0, 1, 1, 1, 2, 2, 2), 48),
    "spikefpn": ([(1, 1), (0, 1), (3, 2), (2, 1), (7, 1), (8, 1)], (0, 0, 1, 1, 1, 2, 2, 2, 3, 3), 32),
    "spikingedn": ([(1, 2), (0, 2), (3, 2), (2, 2), (6, 2), (5, 2)], (0, 1, 1, 1, 0, 0), 32),
    "stereo-features": ([(1, 1), (0, 1), (3, 2), (2, 1), (7, 1), (8, 1)], (1, 0), 8),
    "stereo-matching": ([(0, 1), (1, 2), (4, 2), (3, 2), (8, 1), (6, 1)], (1, 2, 2, 1), 8),
}


def test_published_genotypes_are_shipped() -> None:
    assert shipped() == sorted(PUBLISHED)
    for name, (edges, path, filters) in PUBLISHED.items():
        genotype = load(name)
        second = "conv5x5" if name == "spikingedn" else "conv3x3_b5"
        assert genotype.edges == tuple(sorted((e, {1: "conv3x3", 2: second}[op]) for e, op in edges))
        assert (genotype.name, genotype.path, genotype.filters) == (name, path, filters)
        assert (genotype.nodes, genotype.blocks) == (3, 3)
        assert genotype.source
    assert SpikeFPN().genotype == load("spikefpn")
    assert SpikingEDN().genotype == load("spikingedn")


def test_edges_are_numbered_node_by_node() -> None:
    assert [list(edge_numbers(node)) for node in range(4)] == [[0, 1], [2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12, 13]]
    matching = load("stereo-matching")
    assert matching.inputs(0) == [(0, "conv3x3"), (1, "conv3x3_b5")]
    assert matching.inputs(1) == [(1, "conv3x3_b5"), (2, "conv3x3_b5")]
    assert matching.inputs(2) == [(1, "conv3x3"), (3, "conv3x3")]


def test_whole_edges_are_sorted() -> None:
    # Sorting numbers and operations apart, as one release does, would move b5 from edge 3 to edge 8.
    found = replace(load("cifar"), edges=tuple(reversed(load("cifar").edges)))
    assert found == load("cifar")
    assert dict(found.edges)[3] == "conv3x3_b5"


def test_files_survive(tmp_path: Path) -> None:
    genotype = replace(load("cifar"), name="mine", path=(1, 2, 1), blocks=2)
    save(genotype, tmp_path / "mine.json")
    assert load(tmp_path / "mine.json") == load(str(tmp_path / "mine.json")) == genotype
    assert from_plain(SpikeFPN, to_plain(SpikeFPN(genotype=genotype))).genotype == genotype


def test_a_wrong_name_lists_the_shipped_ones() -> None:
    with pytest.raises(FileNotFoundError, match="no genotype 'cifar10': expected a file, or one of cifar, spikefpn"):
        load("cifar10")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"edges": ((0, "conv3x3"),)}, r"two of the edges 0..1 into node 0, got \[0\]"),
        ({"edges": ((0, "conv3x3"), (0, "skip"))}, r"two of the edges 0..1 into node 0, got \[0, 0\]"),
        ({"edges": ((0, "conv7x7"), (1, "skip"))}, r"one of skip, conv3x3, .* got \(0, 'conv7x7'\)"),
        ({"edges": (("s0", "skip"), (1, "skip"))}, r"edges of a number and one of"),
        ({"edges": (*load("cifar").edges, (9, "skip"))}, r"edges 0..8 in a cell of 3 nodes"),
        ({"path": ()}, r"at least one cell that starts at level 0 or 1, got \[\]"),
        ({"path": (2, 2)}, r"starts at level 0 or 1, got \[2, 2\]"),
        ({"path": (0, 2)}, r"at most one level within 0..3, got 0 to 2 in \[0, 2\]"),
        ({"path": (1, 2, 3, 4)}, r"within 0..3, got 3 to 4"),
        ({"path": (0, -1)}, r"within 0..3, got 0 to -1"),
        ({"path": (0.0, 1.0)}, r"whole numbers"),
        ({"blocks": 4}, r"1..nodes blocks, got nodes 3, filters 48, blocks 4"),
        ({"filters": 0}, r"at least one node and one filter"),
    ],
)
def test_what_cannot_be_built_is_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(load("cifar"), **changes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2]", "expected an object with fields, got list"),
        ("{", "mine.json holds no genotype"),
        ('{"schema": 7}', "expected schema 1, got 7: written by another version"),
        (
            '{"schema": 1, "edge": [], "name": "a", "source": "b"}',
            r"unknown fields \['edge'\], missing .*'edges', 'path'",
        ),
        ('{"schema": 1, "name": "a", "source": "b", "edges": [3], "path": [0]}', "mine.json holds no genotype"),
        ('{"schema": 1, "name": "a", "source": "b", "edges": [], "path": 3}', "mine.json holds no genotype"),
    ],
)
def test_files_without_a_genotype_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        load(path)


def test_a_file_of_the_same_name_does_not_hide_a_shipped_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cifar").write_text("notes")
    monkeypatch.chdir(tmp_path)
    assert load("cifar").name == "cifar"
    with pytest.raises(ValueError, match="holds no genotype"):
        load("./cifar")


def test_a_file_may_leave_out_what_has_a_default(tmp_path: Path) -> None:
    cell = load("cifar")
    fields = {"schema": 1, "name": "short", "source": "here", "edges": cell.edges, "path": [0]}
    (tmp_path / "short.json").write_text(json.dumps(fields))
    assert load(tmp_path / "short.json") == Genotype("short", "here", cell.edges, (0,))
