"""The language model: the published size, and words that it does not know."""

import pytest
import torch

from ranvier import models
from ranvier.recipes import SpikingLM, load


def test_published_parameters() -> None:
    with torch.device("meta"):
        net = models.build(load("wikitext103-spikingssm").model)
    assert sum(p.numel() for p in net.parameters()) == 75_399_034
    assert sum(p.numel() for p in net.blocks[0].parameters()) == 2_235_392  # type: ignore[union-attr]


def test_vectors_and_projections_begin_as_published() -> None:
    torch.manual_seed(0)
    net = models.build(SpikingLM(vocabulary=20_000, cutoffs=(5000,), layers=1, width=256, state=2))
    words = net.words
    for vectors in words.vectors:
        assert float(vectors.detach().std()) == pytest.approx(0.5 * vectors.shape[1] ** -0.5, rel=0.01)
    for projection in words.projections:
        assert float(projection.detach().std()) == pytest.approx(0.5 * 256**-0.5, rel=0.02)
    assert not words.head_projection.any()


def test_answers_are_features_of_which_words_make_probabilities() -> None:
    torch.manual_seed(0)
    net = models.build(SpikingLM(vocabulary=9, layers=1, width=4, state=2)).eval()
    h = net(torch.randint(9, (5, 2)))
    assert h.shape == (5, 2, 4)
    torch.testing.assert_close(net.words.log_probs(h).exp().sum(-1), torch.ones(5, 2))


def test_unknown_words_are_refused() -> None:
    net = models.build(SpikingLM(vocabulary=9, layers=1, width=4, state=2))
    with pytest.raises(ValueError, match="expected tokens 0 to 8, got 3 to 9"):
        net(torch.tensor([[3], [9]]))
