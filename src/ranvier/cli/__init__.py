"""The command line: `ranvier VERB ...`. Every verb is a module of its own and imports what it needs when it runs.

Exit codes: 0 done, 1 failed, 2 wrong usage or bad input, 130 interrupted (a training can be resumed).
An error of the caller is one line on stderr; RANVIER_TRACEBACK=1 shows where it came from.
"""

import difflib
import importlib
import os
import sys

from ranvier import __version__
from ranvier.allocator import keep_pages

VERBS = {
    "demo": "train, test, stream and count a small network, offline, in minutes: classify, detect or segment",
    "train": "train a recipe into a run folder; --resume goes on after an interruption",
    "ablate": "train the variants of one comparison, such as stem or fusion, and print the table",
    "protocol": "compare decoders of neural recordings: one day, many days, a new day, speed, scaling",
    "table": "the table of a paper from finished runs: mean ± sd over seeds, firing rates, energy",
    "test": "measure the weights of a run on the held-out recordings",
    "calibrate": "teach a decoder of other days a new one from its first minutes",
    "recipes": "list what can be trained, and the number to expect",
    "data": "which files of Long Range Arena are there, what is missing and where it belongs",
    "info": "facts and a picture of an event file, of a neural session, or of a run",
    "stream": "feed a recording, a camera or a rig to a run: labels, boxes or velocities over time, and the latency",
    "generate": "let a language model go on with a text, word by word",
    "audit": "what a run costs: operations, firing rates, energy, memory, latency",
    "export": "write one step of a run as an ONNX file, with its memory as inputs and outputs",
    "report": "write one HTML file about a run",
    "doctor": "what this installation can do, and what to type where it lacks",
}
OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    # Before torch is imported: threads that spin while they wait slow down every other process.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    arguments = sys.argv[1:] if arguments is None else arguments
    verb = arguments[0] if arguments else ""
    if verb in ("", "-h", "--help"):
        print(overview())
        return OK if verb else USAGE
    if verb == "--version":
        print(f"ranvier {__version__}")
        return OK
    if verb not in VERBS:
        near = difflib.get_close_matches(verb, VERBS, n=2)
        hint = f"did you mean {' or '.join(near)}?" if near else "ranvier --help lists them"
        return complain(f"no command {verb!r}: {hint}")
    keep_pages()
    try:
        return importlib.import_module(f"ranvier.cli.{verb}").run(arguments[1:]) or OK
    except SystemExit as stop:
        # The parser has shown its help or its complaint.
        return stop.code if isinstance(stop.code, int) else OK
    except KeyboardInterrupt:
        return complain("interrupted", code=INTERRUPTED)
    except BrokenPipeError:
        # The reader (head, less) has seen enough; what is left in the buffer has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except FloatingPointError as error:
        return complain(str(error), code=FAILED)
    except (ValueError, OSError, ImportError) as error:
        if os.environ.get("RANVIER_TRACEBACK"):
            raise
        return complain(_message(error), code=FAILED if _of_the_machine(error) else USAGE)


def overview() -> str:
    """Return the text of `ranvier --help`."""
    width = max(map(len, VERBS))
    lines = [f"  {verb:<{width}}  {meaning}" for verb, meaning in VERBS.items()]
    return "\n".join(
        [
            "Ranvier: networks that live in time.",
            "",
            "usage: ranvier COMMAND [...]",
            "",
            *lines,
            "",
            "ranvier COMMAND --help explains one command; ranvier --version says which version this is.",
            "Start with: ranvier demo",
        ]
    )


def complain(message: str, *, code: int = USAGE) -> int:
    """Say in one line on stderr what went wrong, and return the exit code."""
    print(f"ranvier: {message}", file=sys.stderr)
    return code


def _message(error: Exception) -> str:
    # What the system raises has its path and its reason apart; our own errors are sentences.
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    message = str(error) or type(error).__name__
    # The reader of files speaks to programs.
    return message + " (here: --sensor WIDTH HEIGHT)" if "sensor=(" in message else message


def _of_the_machine(error: Exception) -> bool:
    """A full disk or a lost permission is a failure; a wrong path is bad input."""
    wrong_path = (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError)
    return isinstance(error, OSError) and not isinstance(error, wrong_path)
