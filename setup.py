"""Builds the C kernels into one plain shared library, loaded by ctypes.

The library knows neither Python nor PyTorch, so one build serves every version of both.
It is optional: without a compiler the install succeeds and the reference kernels serve.
"""

import runpy
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

KERNELS = Path("src/ranvier/kernels")
source_hash = runpy.run_path(str(KERNELS / "source_hash.py"))["source_hash"]


class PlainLibrary(build_ext):
    """A shared library without a Python module inside: no version tag, no exported init function."""

    def get_ext_filename(self, fullname: str) -> str:
        return str(Path(*fullname.split("."))) + ".so"

    def get_export_symbols(self, ext: Extension) -> list[str]:
        return []


class PlainWheel(bdist_wheel):
    """A wheel that depends on the platform but on no Python version."""

    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", super().get_tag()[2]


setup(
    ext_modules=[
        Extension(
            "ranvier.kernels._native",
            sources=sorted(str(path) for path in KERNELS.glob("*.c")),
            depends=sorted(str(path) for path in KERNELS.glob("*.h")),
            define_macros=[("RANVIER_SOURCE_HASH", f'"{source_hash(KERNELS)}"')],
            # No contraction of a*b+c: every instruction set must fire the same spikes as the reference.
            extra_compile_args=["-O3", "-ffp-contract=off", "-fno-math-errno", "-fvisibility=hidden", "-std=c11"],
            libraries=["m"],
            optional=True,
        )
    ],
    cmdclass={"build_ext": PlainLibrary, "bdist_wheel": PlainWheel},
)
