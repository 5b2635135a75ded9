"""`ranvier recipes`."""

import inspect

from rich.table import Table

from ranvier.cli.options import call, console, print_json


def recipes(*, json: bool = False) -> None:
    """List what can be trained, and the number to expect.

    Args:
        json: one line of JSON for a script.
    """
    from ranvier.recipes import RECIPES, load

    found = [(load(name), _about(function)) for name, function in RECIPES.items()]
    if json:
        print_json(
            [{"name": r.name, "about": about, "expected": r.expected and r.expected.value} for r, about in found]
        )
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("recipe", "expected", "what it is"):
        table.add_column(column)
    for recipe, about in found:
        expected = f"{recipe.task.metric_name} {recipe.task.shown(recipe.expected.value)}" if recipe.expected else ""
        table.add_row(f"[bold]{recipe.name}[/]", expected, about)
    out = console()
    out.print(table)
    out.print("\ntrain one: ranvier train RECIPE · its settings: ranvier train RECIPE --help")


def _about(where: str) -> str:
    import importlib

    module, function = where.split(":")
    return (inspect.getdoc(getattr(importlib.import_module(module), function)) or "").split("\n")[0]


def run(arguments: list[str]) -> int:
    return call(recipes, arguments, verb="recipes")
