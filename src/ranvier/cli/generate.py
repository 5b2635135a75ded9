"""`ranvier generate RUN --prompt "..."`."""

import sys
import time

from ranvier.cli.options import Device, RunFolder, Threads, call, check_device, print_json, use_threads


def generate(
    run: RunFolder,
    *,
    prompt: str = "",
    tokens: int = 100,
    temperature: float = 0.8,
    top_k: int = 0,
    seed: int = 0,
    device: Device = "cpu",
    threads: Threads = 1,
    json: bool = False,
) -> None:
    """Let a language model go on with a text, word by word, and say how many it wrote a second.

    The prompt stands at the beginning of a line. Words and punctuation marks are apart by spaces, as in the text of the
    training; a word that did not occur there is read as <unk>.

    Args:
        run: the folder of the run.
        prompt: how the text begins.
        tokens: words to write.
        temperature: 0 always takes the most probable word, 1 draws by the probabilities, more is bolder.
        top_k: draw from so many of the most probable words; 0: from all.
        seed: of the draws.
        device: where the network runs.
        threads: torch threads.
        json: one line of JSON for a script, at the end.
    """
    import torch

    from ranvier.data.sequences.vocabulary import END
    from ranvier.run import open_run
    from ranvier.stream.generate import generate

    for name, value, least in (("tokens", tokens, 1), ("temperature", temperature, 0), ("top-k", top_k, 0)):
        if value < least:
            raise ValueError(f"expected --{name} of {least} or more, got {value}")
    opened = open_run(run)
    if opened.config.task.name != "language":
        raise ValueError(
            f"{run} was trained to {opened.config.task.name}: expected a language model, such as that of "
            "`ranvier train wikitext2-spikingssm`"
        )
    use_threads(threads)
    net, vocabulary = opened.net(folded="float32").to(check_device(device)), opened.vocabulary
    words = [END, *prompt.split()]
    unknown = [word for word in words if word not in vocabulary.numbers]
    if unknown:
        print(f"not in the vocabulary, read as <unk>: {', '.join(dict.fromkeys(unknown))}", file=sys.stderr)
    numbers = torch.from_numpy(vocabulary.encode(words)).long().to(device)
    generator = torch.Generator().manual_seed(seed)
    said, line = [], bool(words[1:])
    if line and not json:
        print(" ".join(words[1:]), end="", flush=True)
    start = time.perf_counter()
    for number in generate(net, numbers, count=tokens, temperature=temperature, top_k=top_k, generator=generator):
        word = vocabulary.words[number]
        said.append(word)
        if not json:
            print("\n" if word == END else f" {word}" if line else word, end="", flush=True)
        line = word != END
    seconds = time.perf_counter() - start
    if json:
        written = {"prompt": words, "unknown": unknown, "tokens": said, "seconds": seconds}
        print_json(written | {"tokens_per_s": tokens / seconds})
    else:
        print(f"\n\n{tokens} tokens in {seconds:.2f} s, {tokens / seconds:,.0f} tokens/s")


def run(arguments: list[str]) -> int:
    return call(generate, arguments, verb="generate")
