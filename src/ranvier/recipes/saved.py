"""Recipes as plain JSON values: what `config.json` holds, and back."""

import json
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any, TypeVar, get_args, get_type_hints

T = TypeVar("T")


def to_plain(recipe: Any) -> dict[str, Any]:
    """Return a recipe, or a part of one, as nested dictionaries and lists.

    >>> from ranvier.recipes import load
    >>> to_plain(load("nmnist-conv"))["model"]["name"]
    'conv_classifier'
    """
    return json.loads(json.dumps(asdict(recipe)))


def from_plain(kind: type[T], values: dict[str, Any], *, where: str = "") -> T:
    """Return the dataclass that `to_plain` took apart; a field that is absent takes its default.

    Raises:
        ValueError: a field that `kind` does not have; the message names it.
    """
    hints = get_type_hints(kind)
    unknown = [f"{where}{name}" for name in values if name not in hints]
    if unknown:
        raise ValueError(f"unknown settings {', '.join(unknown)}: written by another version of ranvier")
    return kind(**{name: _restore(hints[name], value, f"{where}{name}") for name, value in values.items()})


def _restore(hint: Any, value: Any, where: str) -> Any:
    if isinstance(value, dict):
        kinds: list[Any] = [kind for kind in (hint, *get_args(hint)) if is_dataclass(kind)]
        # Of several kinds of model or data, the field `name` says which one it is.
        chosen = [kind for kind in kinds if value.get("name") in get_args(get_type_hints(kind).get("name"))]
        return from_plain((chosen or kinds)[0], value, where=f"{where}.")
    return _tuples(value)


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def leaves(values: Mapping[str, Any], *, where: str = "") -> dict[str, Any]:
    """Return the values of a plain recipe that are no parts themselves, by their dotted names.

    >>> leaves({"name": "mine", "train": {"lr": 0.1, "seed": 0}})
    {'name': 'mine', 'train.lr': 0.1, 'train.seed': 0}
    """
    found = {}
    for name, value in values.items():
        found |= leaves(value, where=f"{where}{name}.") if isinstance(value, Mapping) else {f"{where}{name}": value}
    return found


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Return one line for each leaf in which two plain recipes differ.

    >>> differences({"train": {"lr": 0.1, "seed": 0}}, {"train": {"lr": 0.2, "seed": 0}})
    ['train.lr: 0.1 -> 0.2']
    """
    before, after = leaves(old), leaves(new)
    return [
        f"{name}: {before.get(name)!r} -> {after.get(name)!r}"
        for name in before | after
        if before.get(name) != after.get(name)
    ]
