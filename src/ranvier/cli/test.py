"""`ranvier test RUN`."""

import math
from collections.abc import Iterator
from typing import Any, Literal

from rich.padding import Padding

from ranvier.cli.options import Device, Folded, RunFolder, Threads, call, check_device, console, print_json
from ranvier.cli.show import score_line


def measure(
    run: RunFolder,
    *,
    split: Literal["test", "val", "train"] = "test",
    folded: Folded = None,
    device: Device = "cpu",
    threads: Threads = None,
    json: bool = False,
) -> None:
    """Measure the weights of a run on the held-out recordings.

    Args:
        run: the folder of the run.
        split: which recordings.
        folded: put batch norms into the weights and compute convolutions in this type, as `stream --folded` does.
        device: where the network runs.
        threads: torch threads.
        json: one line of JSON for a script.
    """
    from ranvier.run import open_run
    from ranvier.tasks.evaluate import evaluate

    out = console()
    opened = open_run(run)
    with out.status("testing"):
        found = evaluate(run, split=split, folded=folded, device=check_device(device), threads=threads)
    if json:
        print_json(found)
        return
    expected = opened.config.expected
    said = found | {"expected": expected and {"value": expected.value, "source": expected.source}}
    out.print(score_line(said, opened.config.task))
    for line in DETAILS[opened.config.task.name](found):
        out.print(Padding(line, (0, 0, 0, 2)))


def _confused(found: dict[str, Any]) -> Iterator[str]:
    classes = found["classes"]
    for true, row in enumerate(found["confusion"]):
        wrong = [f"{count} as {classes[k]}" for k, count in enumerate(row) if count and k != true]
        if wrong:
            yield f"{classes[true]}: {row[true]} of {sum(row)} found; taken {', '.join(wrong)}"


def _boxes(found: dict[str, Any]) -> Iterator[str]:
    yield f"mAP {100 * found['map']:.1f} %, mAP75 {100 * found['map75']:.1f} %, {found['boxes']:,} boxes"
    for score in (key.removeprefix("map50_at_") for key in found if key.startswith("map50_at_")):
        yield f"answers with a score of {score} or more: mAP50 {100 * found[f'map50_at_{score}']:.1f} %"
    if "map50_filtered" in found:
        map50, map = found["map50_filtered"], found["map_filtered"]
        yield f"as Prophesee counts: mAP50 {100 * map50:.1f} %, mAP {100 * map:.1f} %"
    yield f"mAP50 of each class, %: {_by_class(found['ap50'])}"


def _pixels(found: dict[str, Any]) -> Iterator[str]:
    yield f"pixels right {100 * found['pixel_accuracy']:.1f} %, mean over classes {100 * found['class_accuracy']:.1f} %"
    yield f"IoU of each class, %: {_by_class(found['iou'])}"


def _by_class(values: dict[str, float | None]) -> str:
    return ", ".join(f"{name}: {100 * value:.1f}" for name, value in values.items() if value is not None)


def _membranes(found: dict[str, Any]) -> Iterator[str]:
    probes = {f"constant {current}": values for current, values in found["probes"].items()}
    for name, values in {"noise": found, **probes}.items():
        f1 = "no spikes" if values["f1"] is None else f"F1 {values['f1']:.4f}"
        yield (
            f"{name}: {100 * values['accuracy']:.3f} % of the steps right ({100 * values['memoryless']:.2f} % without "
            f"memory), {f1}; fires {100 * values['firing']:.2f} %, predicted {100 * values['firing_predicted']:.2f} %; "
            f"membrane: squared error {values['mse']:.1e}, largest {values['max_error']:.2g}"
        )


def _words(found: dict[str, Any]) -> Iterator[str]:
    yield f"{found['words']:,} words, {found['loss'] / math.log(2):.2f} bits each"
    yield f"counting the words of the training text: unigrams {found['unigram_perplexity']:.2f}"
    yield f"pairs of words, with Kneser-Ney smoothing: bigrams {found['bigram_perplexity']:.2f}"


def _movements(found: dict[str, Any]) -> Iterator[str]:
    beside = {"the network": found, **found["baselines"]}
    for name, values in beside.items():
        axes = ", ".join(f"{r2:.3f}" for r2 in values["r2_per_axis"])
        errors = ", ".join(f"{rmse:.3g}" for rmse in values["rmse"])
        yield f"{name}: R² {values['r2']:.3f} (by axis {axes}), error {errors}"
    if "r2_by_day" in found:
        yield f"R² of each day: {', '.join(f'{r2:.3f}' for r2 in found['r2_by_day'])}"


DETAILS = {
    "classify": _confused,
    "detect": _boxes,
    "segment": _pixels,
    "imitate": _membranes,
    "language": _words,
    "decode": _movements,
}


def run(arguments: list[str]) -> int:
    return call(measure, arguments, verb="test")
