"""One step of a network in ONNX Runtime, on one core."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.export.onnx_graph import NEXT, REST, check_installed

Memory = dict[str, NDArray]
"""What a network remembers between two steps: arrays `[B, ...]` by name."""

TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64}


class Step:
    """A network from a file that `export_step` has written, step by step: `y, memory = step(x, memory)`.

    The memory is an argument and a result: nothing is kept here, and what goes in stays as it is.

    Args:
        path: the file.

    Raises:
        ImportError: onnxruntime is missing.
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or no step of a network.
    """

    about: dict[str, str]
    """what the file says in its metadata"""

    def __init__(self, path: str | Path) -> None:
        check_installed()
        import onnxruntime
        from onnxruntime.capi.onnxruntime_pybind11_state import (  # type: ignore[attr-defined]
            Fail,
            InvalidGraph,
            InvalidProtobuf,
        )

        if not Path(path).is_file():
            raise FileNotFoundError(f"no file {path}: `ranvier export RUN` or export_step(net, path, x=x) writes one")
        onnxruntime.disable_telemetry_events()
        options = onnxruntime.SessionOptions()
        # One step is too little work to be shared.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session: Any = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except (Fail, InvalidGraph, InvalidProtobuf) as error:
            raise ValueError(f"{path} is damaged, or no ONNX file: {error}") from None
        self.about = self._session.get_modelmeta().custom_metadata_map
        inputs = {node.name: node for node in self._session.get_inputs()}
        outputs = {node.name: tuple(node.shape) for node in self._session.get_outputs()}
        names = [name.removesuffix(NEXT) for name in outputs if name.endswith(NEXT)]
        if {"x", *names} != inputs.keys() or "y" not in outputs or not all(REST + name in self.about for name in names):
            raise ValueError(
                f"{path} is no step of a network: expected inputs x and memory, outputs y and the same memory with "
                f"{NEXT} behind it, and metadata {REST}<memory>; got {sorted(inputs)} and {sorted(outputs)}"
            )
        self.shapes = {name: tuple(node.shape) for name, node in inputs.items()} | {"y": outputs["y"]}
        self.types = {name: np.dtype(TYPES[node.type]) for name, node in inputs.items()}
        self._names, self._outputs = names, ["y", *(name + NEXT for name in names)]

    def rest(self) -> Memory:
        """Return the memory before the first step."""
        values = {name: np.array(json.loads(self.about[REST + name]), self.types[name]) for name in self._names}
        return {name: np.broadcast_to(value, self.shapes[name]).copy() for name, value in values.items()}

    def __call__(self, x: NDArray, memory: Memory) -> tuple[NDArray, Memory]:
        """Return the answer to one step, `[B, ...]` for `[B, ...]`, and the memory after it.

        Raises:
            ValueError: `x` has another shape than the file is for.
        """
        # Numpy's own type is float64.
        x = np.asarray(x, self.types["x"])
        if x.shape != self.shapes["x"]:
            raise ValueError(f"expected one step of input {self.shapes['x']}, got {x.shape}")
        y, *after = self._session.run(self._outputs, {"x": x, **memory})
        return y, dict(zip(self._names, after, strict=True))


def load_step(path: str | Path) -> Step:
    """Open a file that `export_step` has written; raises as `Step`."""
    return Step(path)
