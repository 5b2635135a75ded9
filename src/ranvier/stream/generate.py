"""A language model that goes on with a text, word by word, from the memory that it carries."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from ranvier.carry import Carry


def generate(
    net: Any,
    prompt: Tensor,
    *,
    count: int,
    temperature: float = 1.0,
    top_k: int = 0,
    generator: torch.Generator | None = None,
    carry: Carry | None = None,
) -> Iterator[int]:
    """Yield `count` words that follow a prompt; each is drawn from p^(1 / temperature), and read in its turn.

    The prompt is read at once, all further words one at a time: the cost of a word does not depend on how many came
    before.

    Args:
        net: a language model such as `ranvier.models.spikinglm.SpikingLanguageModel`.
        prompt: words `[T]`, at least one.
        count: number of words.
        temperature: 0 takes the most probable word.
        top_k: draw from so many of the most probable words; 0: from all.
        generator: of the draws.
        carry: memory of what came before the prompt; it is written to.

    Raises:
        ValueError: an empty prompt, or numbers without a meaning.
    """
    if not len(prompt):
        raise ValueError("expected a prompt of one word or more")
    if count < 1 or temperature < 0 or top_k < 0:
        raise ValueError(
            f"expected a count of 1 or more, temperature and top_k of 0 or more, got {count}, {temperature}, {top_k}"
        )
    carry = Carry() if carry is None else carry
    words = prompt
    for _ in range(count):
        with torch.inference_mode():
            log_probs = net.words.log_probs(net(words.unsqueeze(1), carry)[-1, 0])
            word = draw(log_probs, temperature=temperature, top_k=top_k, generator=generator)
        yield word
        words = prompt.new_tensor([word])


def draw(log_probs: Tensor, *, temperature: float, top_k: int, generator: torch.Generator | None) -> int:
    """Return the number of one word, by log-probabilities `[vocabulary]`; on the CPU, whatever the device."""
    if temperature == 0:
        return int(log_probs.argmax())
    most = log_probs.float().cpu().topk(min(top_k, len(log_probs)) or len(log_probs))
    p = (most.values / temperature).softmax(0)
    return int(most.indices[torch.multinomial(p, 1, generator=generator)])
