"""Which bins of a session are for training, validation and test."""

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ranvier.data.datasets.frames import Split
from ranvier.data.neural.binning import Binned
from ranvier.data.neural.session import number, runs

By = Literal["chronological", "neurobench", "poyo"]
SPLITS: tuple[Split, ...] = get_args(Split)
NOBODY = -1
# NeuroBench leaves out reaches that take longer: the animal had stopped to work.
LONGEST_REACH_S = 8.0
POYO_BLOCKS, POYO_SEED = 10, 42


def stretches(
    binned: Binned, split: Split, *, by: By = "chronological", shares: tuple[float, float] = (0.7, 0.1), gap: int = 0
) -> list[tuple[int, int]]:
    """Return where the continuous stretches of a split begin and end, in bins; none crosses the border of a segment.

    * chronological: the first `shares[0]` of the bins are `train`, the next `shares[1]` `val`, the rest `test`.
    * neurobench: the same with reaches instead of bins, 0.5 and 0.25 of those that take at most 8 s, whatever `shares`
      is. Unlike in NeuroBench 2.0, the first reach of a recording is among them.
    * poyo: ten equal blocks, of which eight are `train`, one `val` and one `test`, in an order drawn with the seed 42.

    Args:
        binned: the session.
        split: one of the three.
        by: the rule.
        shares: of `train` and `val`.
        gap: bins that are left out after each border between two splits.

    Raises:
        ValueError: shares that leave nothing for the test, no target to find reaches by, or nothing in the split.

    Source: Yik et al., "The NeuroBench framework", 2025; Azabou et al., "A Unified, Scalable Framework for Neural
    Population Decoding", NeurIPS 2023, with the blocks of the package brainsets.
    """
    rule = {"chronological": _chronological, "neurobench": _by_reach, "poyo": _by_block}[by]
    role = rule(binned, shares)
    for border in np.flatnonzero(np.diff(role)) + 1:
        if role[border - 1] != NOBODY:
            role[border : border + gap] = NOBODY
    mine = role == SPLITS.index(split)
    found = runs(np.where(mine, number(binned.segment, mine), NOBODY))
    if not found:
        raise ValueError(
            f"session {binned.name}: its {len(binned.counts):,} bins of {1000 * binned.bin_s:g} ms leave none for the "
            f"{split} split ({by}): use a longer session, or other --data.shares"
        )
    return found


def _chronological(binned: Binned, shares: tuple[float, float]) -> NDArray[np.int64]:
    return _dealt(len(binned.counts), shares)


def _by_reach(binned: Binned, shares: tuple[float, float]) -> NDArray[np.int64]:
    reach = number(binned.segment, binned.reach)
    if not binned.reach.any():
        raise ValueError(
            f"session {binned.name}: NeuroBench's split goes by reaches, and this session does not say where its "
            "targets were: use --data.split chronological"
        )
    length = np.bincount(reach)
    kept = length * binned.bin_s <= LONGEST_REACH_S
    role = np.full(len(length), NOBODY)
    role[kept] = _dealt(int(kept.sum()), (0.5, 0.25))
    return role[reach]


def _by_block(binned: Binned, shares: tuple[float, float]) -> NDArray[np.int64]:
    order = np.random.default_rng(POYO_SEED).permutation(POYO_BLOCKS)
    role = np.empty(POYO_BLOCKS, np.int64)
    role[order] = [0] * (POYO_BLOCKS - 2) + [1, 2]
    # The middle of a bin decides: its beginning may be the border of two blocks.
    middle = binned.start_s - binned.start_s[0] + binned.bin_s / 2
    return role[(middle / (middle[-1] + binned.bin_s / 2) * POYO_BLOCKS).astype(np.int64)]


def _dealt(count: int, shares: tuple[float, float]) -> NDArray[np.int64]:
    train, val = shares
    if not 0 < train + val < 1:
        raise ValueError(f"expected shares of train and val that leave something for test, got {shares}")
    cuts = [round(train * count), round((train + val) * count)]
    return np.searchsorted(cuts, np.arange(count), side="right")
