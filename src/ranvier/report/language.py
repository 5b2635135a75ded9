"""What a report shows of a language model: a passage with what it expected, and what counting words can do."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import torch
from torch import Tensor, nn

from ranvier import plot
from ranvier.data.datasets import Batch
from ranvier.report import page
from ranvier.report.figures import svg
from ranvier.run import Run

SHOWN = 120
"""words of the passage"""
TOLD = 16
"""words of it that are told one by one"""
LIKELY = 4


def note(result: Mapping[str, Any]) -> str:
    """Return how many words were to be predicted."""
    return f"with {result['words']:,} words to predict"


def sections(run: Run, net: nn.Module, batch: Batch) -> list[str]:
    """Return the sections in the order in which they are read."""
    lane = batch.x.shape[1] // 2
    steps = min(SHOWN, int(batch.lengths[lane]))
    with torch.no_grad():
        log_probs = net.words.log_probs(net(batch.x[:steps, lane : lane + 1])[:, 0])  # type: ignore[operator, union-attr]
    return [passage(log_probs.exp(), batch.target[:steps, lane], run.vocabulary.words), counting(run.result)]


def passage(p: Tensor, target: Tensor, words: Sequence[str]) -> str:
    """The words `[T]` that came, each on the probability `[T, vocabulary]` that it had; and what was likely instead."""
    chance = p.gather(1, target[:, None])[:, 0].tolist()
    came = [escape(words[int(w)]) for w in target]
    text = " ".join(
        f'<span style="background:rgb(232 116 44 / {share:.2f})" title="{100 * share:.2g} %">{word}</span>'
        for word, share in zip(came, chance, strict=True)
    )
    rows = [
        (f"<code>{word}</code>", f"{100 * share:.2g} %", _likely(p[t], words))
        for t, (word, share) in enumerate(zip(came[:TOLD], chance, strict=False))
    ]
    return page.section(
        "What it expected",
        "A held-out passage, read from left to right. The more probable a word was before it came, the stronger its "
        "colour. Below, the first words, each with its probability and with those that were most likely in its place.",
        page.card(f'<div style="line-height:2">{text}</div>'),
        page.card(page.table(("what came", "#its probability", "most likely"), rows)),
    )


def _likely(p: Tensor, words: Sequence[str]) -> str:
    most = p.topk(min(LIKELY, len(p)))
    return ", ".join(
        f"<code>{escape(words[int(k)])}</code> {100 * share:.0f} %"
        for share, k in zip(most.values.tolist(), most.indices, strict=True)
    )


def counting(result: Mapping[str, Any]) -> str:
    """The perplexities of the network and of the simple models."""
    found = {"network": result["perplexity"]} | {f"{n}s": result[f"{n}_perplexity"] for n in ("bigram", "unigram")}
    return page.section(
        "What counting words can do",
        "Perplexity of the held-out text, less is better: of the network, of pairs of words (Kneser-Ney) and of single "
        "words, both counted in the training text and tuned on the validation text.",
        page.card(svg(lambda figure: plot.bars(figure.subplots(), found, unit=""), width=9.6, height=1.6)),
    )
