"""`ranvier train wikitext2-spikingssm` on a small text of our own: it learns, and every command works on it."""

import json
from pathlib import Path

import numpy as np
import pytest

from ranvier.cli import main
from ranvier.recipes import load
from ranvier.run import VOCABULARY, Run, open_run

SMALL = [
    *("--model.vocabulary=8", "--model.cutoffs", "5", "--model.width=16", "--model.state=8", "--model.layers=1"),
    *("--model.dropout=0", "--model.embedding-dropout=0", "--model.softmax-dropout=0"),
    *("--data.length=32", "--data.rows=4", "--train.batch-size=4", "--train.epochs=12", "--train.lr=0.02"),
]


def write_text(root: Path) -> None:
    """Sentences whose last word is their first: what lies between is more than a bigram sees."""
    generator = np.random.default_rng(0)
    for name, lines in (("wiki.train.tokens", 240), ("wiki.valid.tokens", 40), ("wiki.test.tokens", 40)):
        pets = generator.choice(["cat", "dog", "owl"], lines)
        (root / name).write_text("".join(f"the {pet} sees a {pet}\n" for pet in pets))
    with (root / "wiki.train.tokens").open("a") as file:
        file.write("<unk>\n")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    root = tmp_path_factory.mktemp("language")
    write_text(root)
    command = ["train", "wikitext2-spikingssm", f"--data.root={root}", *SMALL, "--run", str(root / "run"), "--json"]
    assert main(command) == 0
    return open_run(root / "run")


def test_it_learns_what_pairs_of_words_do_not_say(run: Run) -> None:
    result = run.result
    # Of six words one is open; to who sees only pairs so is the last, and whether a pet stands first or last.
    assert 3 ** (1 / 6) < result["perplexity"] < 1.5
    assert result["bigram_perplexity"] == pytest.approx(6 ** (2 / 6), rel=0.05)
    assert result["perplexity"] < result["bigram_perplexity"] < result["unigram_perplexity"] < 9
    assert result["words"] == 40 * 6 - 1
    perplexities = [line["perplexity"] for line in run.metrics if line["split"] == "val"]
    assert min(perplexities) < perplexities[0]
    assert all(0 < rate < 1 for rate in result["firing_rate"].values())


def test_the_run_knows_its_words(run: Run) -> None:
    words = run.vocabulary.words
    assert words[:2] == ("<eos>", "<unk>")
    assert set(words[2:]) == {"the", "sees", "a", "cat", "dog", "owl"}
    digits = Run(run.path.parent, run.config)
    with pytest.raises(FileNotFoundError, match=f"has no {VOCABULARY}"):
        digits.vocabulary  # noqa: B018


def test_every_command_works_on_it(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    path, result = str(run.path), run.result
    assert main(["test", path, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert all(found[key] == result[key] for key in ("perplexity", "unigram_perplexity", "bigram_perplexity"))
    assert main(["test", path]) == 0
    shown = capsys.readouterr().out
    assert f"perplexity {result['perplexity']:.2f} on" in shown
    assert f"bigrams {result['bigram_perplexity']:.2f}" in shown
    assert main(["info", path]) == 0
    best = min(line["perplexity"] for line in run.metrics if line["split"] == "val")
    assert f"{best:.2f} on the validation split" in capsys.readouterr().out
    assert main(["audit", path, "--samples", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["totals"]["macs"] > 0
    page = (run.path / "report.html").read_text()
    assert "What it expected" in page
    assert f"<b>{result['perplexity']:.2f}" in page
    assert '<div class="meter">' not in page


def test_it_goes_on_with_a_text(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["generate", str(run.path), "--prompt", "the owl sees a", "--tokens", "8", "--temperature", "0"]
    assert main(command) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("the owl sees a owl\nthe ")
    assert " tokens/s" in shown.out.splitlines()[-1]
    assert shown.err == ""
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["tokens"][:3] == ["owl", "<eos>", "the"]
    assert len(found["tokens"]) == 8
    assert found["tokens_per_s"] > 0
    assert main(["generate", str(run.path), "--tokens", "50", "--seed", "1", "--top-k", "3", "--json"]) == 0
    assert {"cat", "dog", "owl"} & set(json.loads(capsys.readouterr().out)["tokens"])


def test_what_it_cannot_go_on_with(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", str(run.path), "--prompt", "the Newt sees Newt", "--tokens", "1", "--json"]) == 0
    shown = capsys.readouterr()
    assert shown.err == "not in the vocabulary, read as <unk>: Newt\n"
    assert json.loads(shown.out)["unknown"] == ["Newt", "Newt"]
    for options, message in (
        (["--tokens", "0"], "expected --tokens of 1 or more, got 0"),
        (["--temperature", "-1"], "expected --temperature of 0 or more, got -1.0"),
        (["--top-k", "-2"], "expected --top-k of 0 or more, got -2"),
    ):
        assert main(["generate", str(run.path), *options]) == 2
        assert message in capsys.readouterr().err
    assert main(["generate", str(tmp_path)]) == 2
    assert "no run at" in capsys.readouterr().err


def test_it_trains_in_windows_too(run: Run, tmp_path: Path) -> None:
    command = ["train", "wikitext2-spikingssm", f"--data.root={run.config.data.root}", *SMALL]
    assert main([*command, "--train.window=12", "--train.epochs=3", "--run", str(tmp_path / "run"), "--json"]) == 0
    losses = [line["loss"] for line in open_run(tmp_path / "run").metrics if line["split"] == "train"]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("vocabulary", [7, 9])
def test_a_word_more_or_less_is_told(vocabulary: int, run: Run, tmp_path: Path, capsys) -> None:
    words = f"--model.vocabulary={vocabulary}"
    root = f"--data.root={run.config.data.root}"
    assert main(["train", "wikitext2-spikingssm", root, *SMALL, words, "--run", str(tmp_path / "run")]) == 2
    assert "type --model.vocabulary 8" in capsys.readouterr().err


def test_settings() -> None:
    published = load("wikitext103-spikingssm")
    assert published.expected is not None
    assert published.expected.value == 33.94
    model, train = published.model, published.train
    assert (model.layers, model.width, model.state, model.cutoffs) == (16, 1024, 64, (19_997, 39_997, 199_997))  # type: ignore[union-attr]
    assert (model.dropout, model.embedding_dropout, model.softmax_dropout) == (0.1, 0.25, 0.25)  # type: ignore[union-attr]
    assert (train.lr, train.weight_decay, train.warmup_steps, train.seed) == (5e-4, 0.1, 1000, 1111)
    assert published.data.length == 8192  # type: ignore[union-attr]
