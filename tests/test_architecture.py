"""The design, held: which room may import which, how long files are, what every kernel comes with."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "ranvier"
FILES = sorted(SOURCE.rglob("*.py"))

MODELS_AND_BELOW = {"carry", "genotype", "kernels", "neurons", "layers", "models", "recipes", "data"}
MAY_IMPORT = {
    "carry": set(),
    "kernels": {"carry"},
    "neurons": {"carry", "kernels"},
    "genotype": set(),
    "layers": {"carry", "genotype", "kernels", "neurons"},
    "recipes": {"genotype"},
    "models": {"carry", "genotype", "kernels", "neurons", "layers", "recipes"},
    # The builders of data sets read the data part of a recipe, which is plain values.
    "data": {"carry", "recipes"},
    "run": MODELS_AND_BELOW,
    "stream": MODELS_AND_BELOW | {"run"},
    "audit": MODELS_AND_BELOW | {"run", "record", "quantity"},
    "colours": set(),
    "export": MODELS_AND_BELOW,
    "plot": MODELS_AND_BELOW | {"run", "colours"},
    "animate": {"colours", "data", "recipes"},
    "report": MODELS_AND_BELOW
    | {"run", "record", "samples", "plot", "audit", "stream", "quantity", "animate", "colours"},
    "record": MODELS_AND_BELOW,
    "samples": MODELS_AND_BELOW | {"run"},
    "quantity": set(),
    "doctor": MODELS_AND_BELOW,
    "allocator": set(),
    "tasks": MODELS_AND_BELOW | {"run"},
    "protocols": MODELS_AND_BELOW | {"run", "tasks", "stream", "audit", "report", "plot", "colours", "quantity"},
    "cli": {"*"},
    "__init__": {"carry"},
    "__main__": {"cli"},
}


def room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported(path: Path, package: str) -> set[str]:
    """Every name under `package` that a file imports, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in found if name == package or name.startswith(package + ".")}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_one_way(path: Path) -> None:
    here = room(path)
    assert here in MAY_IMPORT, f"a new room {here!r}: say in MAY_IMPORT what it may import"
    allowed = MAY_IMPORT[here]
    for name in imported(path, "ranvier"):
        there = name.split(".")[1] if "." in name else ""
        if there in ("", here, "__version__") or "*" in allowed:
            continue
        assert there in allowed, f"{here} may not import {there} (design: imports point one way)"


def test_the_trainer_library_has_one_door() -> None:
    importers = {
        str(p.relative_to(SOURCE)) for p in FILES if imported(p, "pytorch_lightning") | imported(p, "lightning")
    }
    assert importers <= {"tasks/train.py"}


def test_recipes_import_no_torch() -> None:
    for path in (SOURCE / "recipes").rglob("*.py"):
        assert not imported(path, "torch"), path


def test_kernels_to_models_need_torch_and_numpy_alone() -> None:
    code = (
        "import sys, ranvier.kernels, ranvier.neurons, ranvier.layers, ranvier.models\n"
        "heavy = {'pytorch_lightning', 'matplotlib', 'sklearn', 'faery', 'tyro', 'rich', 'triton'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_file_sizes() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in FILES}
    too_long = {str(path.relative_to(SOURCE)): n for path, n in lengths.items() if n > 400}
    assert not too_long, "split these, by subject"
    assert sorted(lengths.values())[len(lengths) // 2] < 200


def test_no_rooms_without_a_subject() -> None:
    for path in [*FILES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]:
        assert not {"utils", "helpers", "common", "misc"} & {part.removesuffix(".py") for part in path.parts}, path


def test_every_op_has_a_reference_a_fake_and_a_test() -> None:
    for path in sorted((SOURCE / "kernels").glob("*.py")):
        text = path.read_text()
        forward_ops = {
            name for name in re.findall(r"[\"'](\w+)\((?:Tensor|\\n)", text) if not name.endswith("_backward")
        }
        if not forward_ops:
            continue
        loaded = importlib.import_module(f"ranvier.kernels.{path.stem}")
        references = [name for name, _ in inspect.getmembers(loaded, inspect.isfunction) if name.endswith("_reference")]
        assert len(references) >= len(forward_ops), f"{path.stem}: ops {forward_ops}, references {references}"
        assert "register_fake" in text, f"{path.stem}: no fake implementation for tracing"
        assert (ROOT / "tests" / "kernels" / f"test_{path.stem}.py").exists()


def test_tests_mirror_the_source() -> None:
    def tested(path: Path) -> bool:
        return ">>> " in path.read_text() or any((ROOT / "tests").glob(f"**/test_{room(path)}.py"))

    folders = {path.name for path in (ROOT / "tests").iterdir() if any(path.glob("**/test_*.py"))}
    untested = {room(path) for path in FILES if room(path) not in folders and not tested(path)}
    assert untested <= {"__init__", "__main__"}, "a room without tests and without examples that run"


def test_no_two_test_files_share_a_name() -> None:
    """Pytest imports files from folders without `__init__.py` by their name alone: of two it collects one."""
    names = [p.name for p in (ROOT / "tests").rglob("test_*.py") if not (p.parent / "__init__.py").exists()]
    assert not {name for name in names if names.count(name) > 1}


def test_importing_the_package_is_light() -> None:
    code = "import sys, ranvier, ranvier.recipes; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
