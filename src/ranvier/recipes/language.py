"""Language models, word by word (SpikingSSM; Shen et al., AAAI 2025)."""

from dataclasses import replace

from ranvier.recipes.model import SpikingLM
from ranvier.recipes.recipe import Expected, Recipe, Train
from ranvier.recipes.sequences import Text
from ranvier.recipes.task import Language


def wikitext103_spikingssm() -> Recipe:
    """WikiText-103 with 75 million parameters, as published; batch and length of the training are unverified."""
    return Recipe(
        name="wikitext103-spikingssm",
        data=Text(name="wikitext-103", length=8192, rows=8),
        model=SpikingLM(
            vocabulary=267_735,
            cutoffs=(19_997, 39_997, 199_997),
            division=4,
            layers=16,
            width=1024,
            state=64,
            norm="layer",
            norm_placed="before",
            dropout=0.1,
            embedding_dropout=0.25,
            softmax_dropout=0.25,
        ),
        task=Language(),
        # 800,000 steps of eight segments, one on each of eight GPUs: the default of the pipeline that was built upon.
        train=Train(epochs=508, batch_size=8, lr=5e-4, weight_decay=0.1, warmup_steps=1000, select="best", seed=1111),
        expected=Expected(value=33.94, source="published (AAAI 2025), test perplexity"),
    )


def wikitext2_spikingssm() -> Recipe:
    """WikiText-2, a small model; without the training file, on 19 twentieths of the validation text."""
    base = wikitext103_spikingssm()
    return replace(
        base,
        name="wikitext2-spikingssm",
        data=Text(name="wikitext-2", length=64, rows=16),
        model=replace(
            base.model,
            vocabulary=13_384,
            cutoffs=(2000, 6000),
            layers=2,
            width=256,
            state=32,
            dropout=0.3,
            embedding_dropout=0.3,
            softmax_dropout=0.4,
        ),
        train=Train(epochs=12, batch_size=16, lr=3e-3, weight_decay=0.1, warmup=0.05, select="best", clip=1.0),
        expected=Expected(value=189.4, source="measured: `ranvier train wikitext2-spikingssm --threads 1`"),
    )
