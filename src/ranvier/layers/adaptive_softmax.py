"""Words as vectors, at both ends of a language model: what a word is read by is what it is compared with."""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

IGNORED = -100
"""A target that has no probability: padding."""


class AdaptiveSoftmax(nn.Module):
    """Input embedding and output softmax of one set of word vectors, which are shorter for rare words.

    Words are numbered by how often they are. The first of the `cutoffs` ends the head, whose vectors e have d[0] = H
    numbers; each further cluster i = 1, 2, ... has d[i] = H / division^i. With P[i] [d[i], H]:

        embed(w)      = sqrt(H) P[i]^T e[w]                                   w in cluster i
        log p(w | h)  = log softmax([e, c] (Q h) + b)[w]                      w in the head
                      = log softmax([e, c] (Q h) + b)[cluster i]
                        + log softmax(e (P[i] h) + b)[w]                      w in cluster i

    Only Q [H, H], which begins with zeros, the vectors c of the clusters and the biases b belong to the output alone.
    Without cutoffs there is one cluster and neither P nor Q: a plain embedding and a plain softmax, tied.

    Args:
        vocabulary: number of words.
        width: H.
        cutoffs: number of the first word of each cluster behind the head.
        division: of the length of the vectors, from one cluster to the next.
        embedding_dropout: share of a word vector's numbers that is silenced in training, at the input.
        dropout: the same of Q h and P[i] h.

    Raises:
        ValueError: cutoffs that do not rise, or reach the end of the vocabulary; vectors without a number.

    Sources: Grave et al., "Efficient softmax approximation for GPUs", ICML 2017; Baevski & Auli, "Adaptive Input
    Representations for Neural Language Modeling", ICLR 2019; tied as in Transformer-XL (Dai et al., ACL 2019).
    """

    def __init__(
        self,
        vocabulary: int,
        width: int,
        *,
        cutoffs: tuple[int, ...] = (),
        division: int = 4,
        embedding_dropout: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.bounds = (0, *cutoffs, vocabulary)
        if any(low >= high for low, high in pairwise(self.bounds)):
            raise ValueError(f"expected cutoffs that rise from 1 to {vocabulary - 1}, got {cutoffs}")
        sizes = [width // division**i for i in range(len(cutoffs) + 1)]
        if not sizes[-1]:
            raise ValueError(f"no number is left of {width} for the words from {cutoffs[-1]} on: use fewer cutoffs")
        self.width = width
        self.embedding_dropout, self.dropout = embedding_dropout, dropout
        counts = [high - low for low, high in pairwise(self.bounds)]
        self.vectors = nn.ParameterList(
            _normal(n, size, std=0.5 * size**-0.5) for n, size in zip(counts, sizes, strict=True)
        )
        self.projections = nn.ParameterList(
            _normal(size, width, std=0.5 * width**-0.5) for size in sizes[: len(sizes) * bool(cutoffs)]
        )
        self.head_projection = nn.Parameter(torch.zeros(width, width)) if cutoffs else None
        self.clusters = nn.Parameter(torch.zeros(len(cutoffs), width)) if cutoffs else None
        self.head_bias = nn.Parameter(torch.zeros(counts[0] + len(cutoffs)))
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(n)) for n in counts[1:])

    def embed(self, x: Tensor) -> Tensor:
        """Return the vectors `[..., H]` of words `[...]`."""
        parts = []
        for (low, high), vectors in zip(pairwise(self.bounds), self.vectors, strict=True):
            # Words of other clusters look up any vector, which counts for nothing: shapes do not depend on the words.
            vector = F.embedding(x.clamp(low, high - 1) - low, vectors)
            vector = F.dropout(vector, self.embedding_dropout, self.training)
            parts.append(vector * ((x >= low) & (x < high)).unsqueeze(-1))
        e = torch.cat(parts, -1)
        return math.sqrt(self.width) * (e @ torch.cat(list(self.projections)) if len(self.projections) else e)

    def log_prob(self, h: Tensor, target: Tensor) -> Tensor:
        """Return the log-probabilities `[...]` of words `[...]` after features `[..., H]`; 0 where the word is -100.

        Words of a cluster are weighed only where one of them is the target.
        """
        h, words = h.reshape(-1, self.width), target.reshape(-1)
        first = words
        for i, low in enumerate(self.bounds[1:-1]):
            first = torch.where(words >= low, self.bounds[1] + i, first)
        loss = F.cross_entropy(self._head(h), first, ignore_index=IGNORED, reduction="none")
        for i, (low, high) in enumerate(pairwise(self.bounds[1:]), 1):
            here = ((words >= low) & (words < high)).nonzero().squeeze(1)
            loss = loss.index_add(0, here, F.cross_entropy(self._tail(h[here], i), words[here] - low, reduction="none"))
        return -loss.view(target.shape)

    def log_probs(self, h: Tensor) -> Tensor:
        """Return the log-probabilities `[..., vocabulary]` of all words after features `[..., H]`."""
        head = self._head(h).log_softmax(-1)
        often = self.bounds[1]
        tails = [head[..., often + i - 1, None] + self._tail(h, i).log_softmax(-1) for i in range(1, len(self.vectors))]
        return torch.cat([head[..., :often], *tails], -1)

    def _head(self, h: Tensor) -> Tensor:
        if self.head_projection is None or self.clusters is None:
            weight = self.vectors[0]
        else:
            h, weight = h @ self.head_projection.T, torch.cat([self.vectors[0], self.clusters])
        return F.linear(F.dropout(h, self.dropout, self.training), weight, self.head_bias)

    def _tail(self, h: Tensor, i: int) -> Tensor:
        h = F.dropout(h @ self.projections[i].T, self.dropout, self.training)
        return F.linear(h, self.vectors[i], self.biases[i - 1])

    def extra_repr(self) -> str:
        clusters = ", ".join(f"{len(vectors):,} of {vectors.shape[1]}" for vectors in self.vectors)
        return f"words by length of their vectors: {clusters}"


def _normal(rows: int, columns: int, *, std: float) -> nn.Parameter:
    return nn.Parameter(torch.randn(rows, columns) * std)
