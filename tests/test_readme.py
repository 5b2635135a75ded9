"""What README and the pages of docs/ show can be typed: Python blocks run, and commands are understood."""

import functools
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from ranvier.cli import OK, main, options

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    """Every fenced block of a language; the empty lines before it keep the page's line numbers in a traceback."""
    text = page.read_text()
    return [
        "\n" * text.count("\n", 0, found.start(2)) + found[2] for found in BLOCK.finditer(text) if found[1] == language
    ]


def commands(page: Path) -> list[str]:
    """Every `ranvier ...` line of the shell blocks, and of the console blocks after the prompt."""
    shell = "\n".join(blocks(page, "bash")).splitlines()
    console = [line.removeprefix("$ ") for line in "\n".join(blocks(page, "console")).splitlines() if line[:2] == "$ "]
    return [line.strip() for line in shell + console if line.strip().startswith("ranvier ")]


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=named)
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": page.stem}
    for block in blocks(page, "python"):
        exec(compile(block, str(page), "exec"), namespace)


def test_the_neurons_of_the_page_keep_the_contract(tmp_path: Path) -> None:
    page = tmp_path / "test_add_a_neuron.py"
    page.write_text("\n".join(blocks(ROOT / "docs" / "add-a-neuron.md", "python")))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={tmp_path}", str(page)]
    path = os.pathsep.join([str(ROOT), *sys.path])
    found = subprocess.run(
        command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout
    assert int(re.findall(r"(\d+) passed", found.stdout)[0]) >= 3 * 12


@pytest.mark.parametrize(
    ("page", "command"), [pytest.param(page, line, id=line) for page in PAGES for line in dict.fromkeys(commands(page))]
)
def test_commands_are_understood(page: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The parser of the verb reads the line; what it would call is not called."""
    real, understood = options.tyro.cli, []

    def parse_only(function, **settings):
        @functools.wraps(function)
        def stop(*arguments, **keywords):
            understood.append(function)

        return real(stop, **settings)

    monkeypatch.setattr(options.tyro, "cli", parse_only)
    # A variable of the shell stands for a number.
    words = shlex.split(re.sub(r"\$\w+", "1", command), comments=True)[1:]
    assert main(words) == OK, f"{named(page)}: {command}"
    assert understood or "--help" in words, f"{named(page)}: {command}"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith(("http:", "https:")):
            assert (page.parent / target).exists(), f"{named(page)}: {target}"


def test_every_page_is_in_the_navigation() -> None:
    import tomllib

    def leaves(value: object) -> set[str]:
        if isinstance(value, str):
            return {value}
        return set().union(*map(leaves, value.values() if isinstance(value, dict) else value))  # type: ignore[attr-defined]

    listed = leaves(tomllib.loads((ROOT / "zensical.toml").read_text())["project"]["nav"])
    assert listed == {str(page.relative_to(ROOT / "docs")) for page in PAGES[1:]}
