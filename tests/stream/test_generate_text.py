"""Generation from the carry: any split of the prompt, draws by the probabilities, and bad input."""

import pytest
import torch
from torch import nn

from ranvier import Carry, models
from ranvier.recipes import SpikingLM
from ranvier.stream import generate
from ranvier.stream.generate import draw

PROMPT = torch.tensor([3, 1, 4, 1, 5, 8])


@pytest.fixture(scope="module")
def net() -> nn.Module:
    torch.manual_seed(0)
    config = SpikingLM(vocabulary=9, cutoffs=(4,), division=2, layers=2, width=8, state=4)
    net = models.build(config).double().eval()
    with torch.no_grad():
        for p in net.words.parameters():
            p.normal_(std=0.5)
    return net


def test_a_prompt_at_once_or_word_by_word_gives_the_text_of_the_whole(net: nn.Module) -> None:
    at_once = list(generate(net, PROMPT, count=20, temperature=0))
    carry = Carry()
    for word in PROMPT[:-1]:
        net(word.view(1, 1), carry)
    assert list(generate(net, PROMPT[-1:], count=20, temperature=0, carry=carry)) == at_once
    text = PROMPT.tolist()
    for _ in range(20):
        text.append(int(net.words.log_probs(net(torch.tensor(text).unsqueeze(1))[-1, 0]).argmax()))
    assert text[len(PROMPT) :] == at_once
    assert len(set(at_once)) > 1


def test_the_seed_decides(net: nn.Module) -> None:
    def text(seed: int) -> list[int]:
        return list(generate(net, PROMPT, count=30, generator=torch.Generator().manual_seed(seed)))

    assert text(0) == text(0)
    assert text(0) != text(1)


def test_words_are_drawn_as_often_as_they_are_probable() -> None:
    generator = torch.Generator().manual_seed(0)
    log_probs = torch.tensor([0.5, 0.3, 0.2]).log()

    def shares(temperature: float, top_k: int) -> list[float]:
        drawn = [draw(log_probs, temperature=temperature, top_k=top_k, generator=generator) for _ in range(2000)]
        return [drawn.count(k) / 2000 for k in range(3)]

    assert shares(1.0, 0) == pytest.approx([0.5, 0.3, 0.2], abs=0.04)
    assert shares(1.0, 2) == pytest.approx([0.625, 0.375, 0], abs=0.04)
    assert shares(0.5, 99) == pytest.approx([0.25 / 0.38, 0.09 / 0.38, 0.04 / 0.38], abs=0.04)
    assert shares(0.0, 0) == [1, 0, 0]


@pytest.mark.parametrize("wrong", [{"count": 0}, {"temperature": -1.0}, {"top_k": -1}])
def test_numbers_without_a_meaning(net: nn.Module, wrong: dict) -> None:
    with pytest.raises(ValueError, match="expected a count of 1 or more, temperature and top_k of 0 or more"):
        next(generate(net, PROMPT, **{"count": 1} | wrong))
    with pytest.raises(ValueError, match="a prompt of one word or more"):
        next(generate(net, PROMPT[:0], count=1))
