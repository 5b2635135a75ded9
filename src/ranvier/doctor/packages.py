"""Versions, and which optional parts are there: from the package's own metadata."""

import platform
from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import Requirement

from ranvier import __version__
from ranvier.doctor.check import Check


def versions() -> Iterator[Check]:
    """Versions of Python, of ranvier and of all that it cannot do without."""
    yield Check("python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    installed = version("ranvier")
    if installed is None:
        yield Check("ranvier", "broken", f"{__version__} runs from a folder and is not installed", "pip install -e .")
    elif installed != __version__:
        yield Check("ranvier", "broken", f"{__version__} runs, {installed} is installed", "pip install -e .")
    else:
        yield Check("ranvier", "ok", __version__)
    for requirement in required(None):
        found = version(requirement.name)
        if found is None:
            yield Check(requirement.name, "broken", "not installed", f'pip install "{requirement}"')
        elif not requirement.specifier.contains(found, prereleases=True):
            yield Check(
                requirement.name, "broken", f"{found}, expected {requirement.specifier}", f'pip install "{requirement}"'
            )
        else:
            yield Check(requirement.name, "ok", found)


def extras() -> Iterator[Check]:
    """The optional parts, each with the line that installs it."""
    if version("ranvier") is None:
        return
    for extra in metadata.metadata("ranvier").get_all("Provides-Extra") or []:
        names = [requirement.name for requirement in required(extra)]
        absent = [requirement for requirement in required(extra) if version(requirement.name) is None]
        if absent:
            lacking = ", ".join(requirement.name for requirement in absent)
            wanted = " ".join(f'"{_plain(requirement)}"' for requirement in absent)
            yield Check(f"extra {extra}", "missing", f"without {lacking}", f"pip install {wanted}")
        else:
            yield Check(f"extra {extra}", "ok", ", ".join(f"{name} {version(name)}" for name in names))


def required(extra: str | None) -> list[Requirement]:
    """Return what an extra needs on this platform; `None` is what ranvier itself needs."""
    try:
        lines = metadata.requires("ranvier") or []
    except metadata.PackageNotFoundError:
        return []
    found = []
    for requirement in map(Requirement, lines):
        marker = requirement.marker
        always = marker is None or marker.evaluate({"extra": ""})
        if always if extra is None else not always and marker is not None and marker.evaluate({"extra": extra}):
            found.append(requirement)
    return found


def _plain(requirement: Requirement) -> str:
    """Return what pip takes: name, options and versions, without the marker of the extra."""
    options = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    return f"{requirement.name}{options}{requirement.specifier}"


def version(name: str) -> str | None:
    """Return the installed version of a distribution, `None` where it is absent."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
