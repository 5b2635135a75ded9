"""SpikingSSM as a language model (Shen et al., AAAI 2025): words in, the probability of each next word out."""

from torch import Tensor, nn

from ranvier.carry import Carry, Temporal
from ranvier.layers.adaptive_softmax import AdaptiveSoftmax
from ranvier.models.spikingssm import block, tokens
from ranvier.recipes import SpikingLM


class SpikingLanguageModel(Temporal):
    """Words `[T, B]` int64 to features `[T, B, width]`, which `words` turns into probabilities of the next word.

    So that nobody has to hold the probabilities of all words at all steps, they are asked for:
    `net.words.log_prob(net(x), target)` gives those of the words that came, `net.words.log_probs(net(x)[-1])` those of
    all words after the last step.

    Raises:
        ValueError: cutoffs that do not fit the vocabulary, or an odd state.
    """

    def __init__(self, config: SpikingLM) -> None:
        super().__init__()
        self.words = AdaptiveSoftmax(
            config.vocabulary,
            config.width,
            cutoffs=config.cutoffs,
            division=config.division,
            embedding_dropout=config.embedding_dropout,
            dropout=config.softmax_dropout,
        )
        self.blocks = nn.ModuleList(block(config) for _ in range(config.layers))

    def forward(self, x: Tensor, carry: Carry | None = None) -> Tensor:
        """Return features `[T, B, width]` of words `[T, B]`.

        Raises:
            ValueError: a word outside the vocabulary.
        """
        x = self.words.embed(tokens(x, self.words.bounds[-1]))
        for layer in self.blocks:
            x = layer(x, carry)
        return x
