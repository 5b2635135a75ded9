"""The order of the training samples: a pure function of (seed, epoch), so that a run can start at any step."""

import torch


def epoch_batches(count: int, batch_size: int, *, seed: int, epoch: int) -> list[list[int]]:
    """Return the sample numbers of each batch of one epoch, shuffled; the last batch may be smaller.

    A single sample that is left joins the batch before: over one sample a batch norm has no variance.

    >>> epoch_batches(5, 2, seed=0, epoch=3) == epoch_batches(5, 2, seed=0, epoch=3)
    True
    >>> sorted(sum(epoch_batches(5, 2, seed=0, epoch=3), []))
    [0, 1, 2, 3, 4]
    >>> [len(batch) for batch in epoch_batches(5, 2, seed=0, epoch=3)]
    [2, 3]
    """
    order = torch.randperm(count, generator=torch.Generator().manual_seed(mix(seed, epoch))).tolist()
    batches = [order[i : i + batch_size] for i in range(0, count, batch_size)]
    if batch_size > 1 and len(batches) > 1 and len(batches[-1]) == 1:
        alone = batches.pop()
        batches[-1] += alone
    return batches


def mix(*numbers: int) -> int:
    """Return one 63-bit seed for several small numbers, such as (seed, step); neighbours get unrelated seeds.

    The mixing function is SplitMix64 (Steele et al. 2014, "Fast splittable pseudorandom number generators").
    """
    mask, state = 2**64 - 1, 0
    for number in numbers:
        state = (state + number + 0x9E3779B97F4A7C15) & mask
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & mask
        state ^= state >> 31
    return state >> 1
