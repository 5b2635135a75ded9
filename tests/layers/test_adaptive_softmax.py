"""The adaptive softmax beside its definition: explicit probabilities, cluster by cluster."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ranvier.layers.adaptive_softmax import IGNORED, AdaptiveSoftmax

V, H = 23, 8
CUTOFFS = (5, 11)


def softmax(cutoffs: tuple[int, ...] = CUTOFFS, **options) -> AdaptiveSoftmax:
    """With weights at random everywhere, those that begin with zeros among them."""
    torch.manual_seed(0)
    words = AdaptiveSoftmax(V, H, cutoffs=cutoffs, division=2, **options).double()
    with torch.no_grad():
        for p in words.parameters():
            p.copy_(torch.randn_like(p))
    return words


def probabilities(words: AdaptiveSoftmax, h: Tensor) -> Tensor:
    """p(w | h) of all words after one vector of features, one product at a time."""
    assert words.head_projection is not None
    assert words.clusters is not None
    projected = words.head_projection @ h
    scores = [words.vectors[0][w] @ projected + words.head_bias[w] for w in range(CUTOFFS[0])]
    scores += [c @ projected + words.head_bias[CUTOFFS[0] + i] for i, c in enumerate(words.clusters)]
    head = torch.stack(scores).exp() / torch.stack(scores).exp().sum()
    found = list(head[: CUTOFFS[0]])
    for i in (1, 2):
        scores = torch.stack([e @ (words.projections[i] @ h) for e in words.vectors[i]]) + words.biases[i - 1]
        found += list(head[CUTOFFS[0] + i - 1] * scores.exp() / scores.exp().sum())
    return torch.stack(found)


def test_every_word_has_the_probability_of_its_cluster_times_that_within() -> None:
    words = softmax()
    h = torch.randn(3, 2, H, dtype=torch.float64)
    found = words.log_probs(h).exp()
    for t in range(3):
        for b in range(2):
            torch.testing.assert_close(found[t, b], probabilities(words, h[t, b]))
    torch.testing.assert_close(found.sum(-1), torch.ones(3, 2, dtype=torch.float64))


@pytest.mark.parametrize("cutoffs", [(), CUTOFFS], ids=str)
def test_targets_have_the_probabilities_of_the_whole_and_the_same_gradients(cutoffs: tuple[int, ...]) -> None:
    words = softmax(cutoffs)
    h = torch.randn(4, 6, H, dtype=torch.float64, requires_grad=True)
    target = torch.arange(24).view(4, 6) % V
    inputs = [h, *words.parameters()]
    weight = torch.rand(4, 6, dtype=torch.float64)
    picked = words.log_prob(h, target)
    whole = words.log_probs(h).gather(-1, target.unsqueeze(-1)).squeeze(-1)
    torch.testing.assert_close(picked, whole)
    for pair in zip(
        *(torch.autograd.grad((y * weight).sum(), inputs, materialize_grads=True) for y in (picked, whole)), strict=True
    ):
        torch.testing.assert_close(*pair)


def test_without_cutoffs_it_is_a_plain_embedding_and_a_plain_softmax_of_one_matrix() -> None:
    words = softmax(())
    assert sum(p.numel() for p in words.parameters()) == V * H + V
    x, h = torch.arange(V).view(V, 1), torch.randn(V, 1, H, dtype=torch.float64)
    e = words.vectors[0]
    torch.testing.assert_close(words.embed(x)[:, 0], H**0.5 * e)
    logits = h[:, 0] @ e.T + words.head_bias
    torch.testing.assert_close(words.log_prob(h, x)[:, 0], -F.cross_entropy(logits, x[:, 0], reduction="none"))


def test_a_word_is_read_by_its_own_vector() -> None:
    words = softmax()
    x = torch.arange(V).view(V, 1)
    found = words.embed(x)
    assert found.shape == (V, 1, H)
    for w, (i, first) in {0: (0, 0), 4: (0, 0), 5: (1, 5), 10: (1, 5), 11: (2, 11), 22: (2, 11)}.items():
        expected = H**0.5 * words.vectors[i][w - first] @ words.projections[i]
        torch.testing.assert_close(found[w, 0], expected)


def test_both_ends_share_one_parameter() -> None:
    words = softmax()
    rare = torch.tensor([[V - 1]])
    for y in (words.embed(rare).sum(), words.log_prob(torch.randn(1, 1, H, dtype=torch.float64), rare).sum()):
        (gradient,) = torch.autograd.grad(y, [words.vectors[2]])
        assert gradient[-1].abs().sum() > 0
    assert len(words.state_dict()) == len(list(words.parameters()))


def test_padding_has_no_probability_and_no_gradient() -> None:
    words = softmax()
    h = torch.randn(2, 3, H, dtype=torch.float64, requires_grad=True)
    target = torch.tensor([[0, 7, IGNORED], [22, IGNORED, IGNORED]])
    found = words.log_prob(h, target)
    assert found[target == IGNORED].tolist() == [0, 0, 0]
    assert bool((found[target != IGNORED] < 0).all())
    (gradient,) = torch.autograd.grad(found.sum(), [h])
    assert bool((gradient[target == IGNORED] == 0).all())
    assert bool(torch.isfinite(gradient).all())


def test_it_begins_with_all_words_of_the_head_alike() -> None:
    fresh = AdaptiveSoftmax(V, H, cutoffs=CUTOFFS, division=2)
    h = torch.randn(1, H)
    torch.testing.assert_close(fresh.log_probs(h)[0, :5].exp(), torch.full((5,), 1 / 7))


def test_dropout_silences_in_training_alone() -> None:
    words = softmax(embedding_dropout=0.5, dropout=0.5)
    x, h = torch.arange(V).view(V, 1), torch.randn(V, 1, H, dtype=torch.float64)
    first = words.embed(x), words.log_prob(h, x)
    assert not torch.equal(words.embed(x), first[0])
    assert not torch.equal(words.log_prob(h, x), first[1])
    words.eval()
    assert torch.equal(words.embed(x), words.embed(x))
    assert torch.equal(words.log_prob(h, x), words.log_prob(h, x))


@pytest.mark.parametrize(
    ("cutoffs", "message"), [((5, 5), "rise"), ((V,), "rise"), ((2, 4, 6, 8), "no number is left")]
)
def test_clusters_that_cannot_be_are_refused(cutoffs: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AdaptiveSoftmax(V, H, cutoffs=cutoffs, division=2)
