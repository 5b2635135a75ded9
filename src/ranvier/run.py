"""The run folder: what training writes and every other tool reads.

| file                     | content                                                                                  |
|--------------------------|------------------------------------------------------------------------------------------|
| `config.json`            | the recipe, every setting                                                                |
| `environment.json`       | versions, machine, threads and kernels of the latest start                               |
| `vocabulary.json`        | where samples are words: the word of each number                                         |
| `metrics.jsonl`          | one line each measurement: epoch, step, split, loss, score of the task, seconds          |
| `checkpoint.safetensors` | the whole state of the training, from which it resumes                                   |
| `weights.safetensors`    | the weights that were kept                                                               |
| `result.json`            | scores, loss and firing rates on the held-out recordings; the run is finished            |
| `stream.png`             | where somebody has put it: a stream as a moving picture, which the report shows          |

A file is replaced in one piece or not at all; only `metrics.jsonl` grows, and a resumed run cuts it at its checkpoint.
"""

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ranvier.recipes import Recipe
from ranvier.recipes.recipe import Precision
from ranvier.recipes.saved import differences, from_plain, to_plain

if TYPE_CHECKING:
    from torch import nn

    from ranvier.data.sequences.vocabulary import Vocabulary

SCHEMA = 1
CONFIG = "config.json"
ENVIRONMENT = "environment.json"
VOCABULARY = "vocabulary.json"
METRICS = "metrics.jsonl"
CHECKPOINT = "checkpoint.safetensors"
WEIGHTS = "weights.safetensors"
RESULT = "result.json"
STREAM = "stream.png"


@dataclass(frozen=True)
class Run:
    """A run folder and the recipe in it."""

    path: Path
    config: Recipe

    @property
    def result(self) -> dict[str, Any]:
        """What `result.json` says.

        Raises:
            FileNotFoundError: the run is not finished.
        """
        if not (self.path / RESULT).exists():
            raise FileNotFoundError(f"{self.path} has no {RESULT}: the run is not finished, continue it with --resume")
        return json.loads((self.path / RESULT).read_text())

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The lines of `metrics.jsonl`; a last line that a kill cut short is left out."""
        path = self.path / METRICS
        lines = path.read_text().split("\n")[:-1] if path.exists() else []
        return [json.loads(line) for line in lines]

    @property
    def vocabulary(self) -> "Vocabulary":
        """The words behind the numbers.

        Raises:
            FileNotFoundError: the run was not trained on words.
        """
        from ranvier.data.sequences.vocabulary import Vocabulary

        path = self.path / VOCABULARY
        if not path.exists():
            raise FileNotFoundError(f"{self.path} has no {VOCABULARY}: it was trained on {self.config.data.name!r}")
        return Vocabulary(tuple(json.loads(path.read_text())))

    def net(self, *, folded: Precision | None = None) -> "nn.Module":
        """Build the network with the weights that were kept, in evaluation mode.

        Args:
            folded: return the copy that `ranvier.layers.folded` makes of it for this type.

        Raises:
            FileNotFoundError: no weights have been written yet.
            ValueError: they do not fit the network.
        """
        import torch
        from safetensors.torch import load_file

        from ranvier import layers, models

        if not (self.path / WEIGHTS).exists():
            raise FileNotFoundError(f"{self.path} has no {WEIGHTS}: the run is not finished, continue it with --resume")
        net = models.build(self.config.model)
        try:
            net.load_state_dict(load_file(self.path / WEIGHTS))
        except RuntimeError as error:
            raise ValueError(
                f"{self.path / WEIGHTS} does not fit the network of {CONFIG}: written by another version of ranvier"
            ) from error
        return net.eval() if folded is None else layers.folded(net, dtype=getattr(torch, folded))


def open_run(path: str | Path) -> Run:
    """Open an existing run folder.

    Raises:
        FileNotFoundError: there is no run at `path`.
        ValueError: its configuration is damaged or from another version.
    """
    path = Path(path)
    file = path / CONFIG
    if not file.exists():
        raise FileNotFoundError(f"no run at {path}: expected a folder with {CONFIG}, as `ranvier train` writes it")
    try:
        saved = json.loads(file.read_text())
        return Run(path, from_plain(Recipe, saved["config"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"cannot read {file}: {error}") from error


def start_run(path: str | Path, recipe: Recipe, *, resume: bool = False) -> Run:
    """Create the folder of a run, or return to the one that was started with the same recipe.

    Raises:
        FileExistsError: the folder holds a run and `resume` is off, or holds files that are no run.
        ValueError: the run in it was started with other settings; the message lists them.
    """
    path = Path(path)
    if (path / CONFIG).exists():
        run = open_run(path)
        if not resume:
            raise FileExistsError(
                f"{path} already holds a run of {run.config.name!r}: add --resume to continue it, or use a new folder"
            )
        changed = differences(*(to_plain(_settings(each)) for each in (run.config, recipe)))
        if changed:
            listed = "\n  ".join(changed)
            raise ValueError(
                f"{path} was started with other settings:\n  {listed}\n"
                "repeat the first command with --resume, or choose a new folder"
            )
        if run.config.data.root != recipe.data.root:
            run = replace(run, config=replace(run.config, data=recipe.data))
            _write_config(run)
        return run
    if path.is_file() or (path.is_dir() and any(not _is_temporary(file) for file in path.iterdir())):
        raise FileExistsError(f"{path} holds files that are no run: choose a new folder")
    path.mkdir(parents=True, exist_ok=True)
    run = Run(path, recipe)
    _write_config(run)
    return run


def _settings(recipe: Recipe) -> Recipe:
    """What must be the same to go on: neither the number to expect, which a newer version may have measured anew, nor
    the folder of the data, which may have moved.
    """
    data = recipe.data if recipe.data.root is None else replace(recipe.data, root=None)
    return replace(recipe, expected=None, data=data)


def _write_config(run: Run) -> None:
    plain = {"schema": SCHEMA, "recipe": run.config.name, "config": to_plain(run.config)}
    write_json(run.path / CONFIG, plain)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON, in one piece or not at all."""
    write_atomically(path, (json.dumps(value, indent=1) + "\n").encode())


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file in one piece: whoever reads it, also after a power cut, sees the old or the new content.

    Raises:
        OSError: the content could not be written (disk full, no permission); the old file is intact.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _flush_folder(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise _not_written(path, error) from error


def append_metrics(run: Run, lines: list[dict[str, Any]]) -> None:
    """Append lines to `metrics.jsonl` and flush them to the disk.

    Raises:
        OSError: they could not be written; a resumed run will cut off what was.
    """
    path = run.path / METRICS
    try:
        with open(path, "a") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise _not_written(path, error) from error


def cut_metrics(run: Run, lines: int) -> None:
    """Keep the first `lines` lines of `metrics.jsonl`: what came after the checkpoint will be measured again."""
    path = run.path / METRICS
    if path.exists():
        kept = path.read_bytes().splitlines(keepends=True)[:lines]
        write_atomically(path, b"".join(kept))


def _not_written(path: Path, error: OSError) -> OSError:
    text = (
        f"could not write {path.name} ({error.strerror}); what was saved before is intact: "
        "free some space, then repeat the command with --resume"
    )
    return OSError(error.errno, text, str(path))


def _is_temporary(file: Path) -> bool:
    return file.name.startswith(".") and file.name.endswith(".tmp")


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
