"""The tests of training see the first few recordings of each split only."""

from collections.abc import Iterator

import pytest

from ranvier.data import datasets
from ranvier.recipes import EventFrames

KEPT = {"train": 100, "val": 20, "test": 30}


@pytest.fixture(scope="module", autouse=True)
def few_recordings() -> Iterator[None]:
    """Shorten every data set that is built."""
    build = datasets.build

    def shortened(config: EventFrames, split: datasets.Split) -> datasets.FrameDataset:
        dataset = build(config, split)
        dataset.indices = dataset.indices[: KEPT[split]]
        return dataset

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets, "build", shortened)
        yield
