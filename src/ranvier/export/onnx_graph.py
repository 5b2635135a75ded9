"""One step of a temporal network as an ONNX file.

| in the file | name | shape |
|---|---|---|
| input of the step | `x` | `[B, ...]` |
| memory before it | as `Carry.state_dict` names it, such as `backbone.h` | `[B, ...]` |
| answer | `y` | `[B, ...]` |
| memory after it | the same with `.next` behind it | as before |
| metadata | `rest.backbone.h` | the memory before the first step: one number for all, or nested lists (JSON) |

All shapes are fixed. Parameters, mode and device of the network that is exported stay as they are.
"""

import json
import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch._decomp import get_decompositions

from ranvier import __version__
from ranvier.carry import Carry, Temporal, unwrap
from ranvier.kernels import reference
from ranvier.layers import folded

if TYPE_CHECKING:
    import onnx

OPSET = 20
NEXT, REST = ".next", "rest."
USAGE = (
    "One step of a network in time. Set every memory input to the number that the metadata give as rest.<its name>, "
    f"and after each step to the output <its name>{NEXT}."
)


def export_step(
    net: Temporal,
    path: str | Path,
    *,
    x: Tensor,
    day: int | None = None,
    int8: bool = False,
    about: Mapping[str, str] | None = None,
) -> None:
    """Write one step of a network as an ONNX file, `y, memory = net(x, memory)`.

    Args:
        net: any temporal network that can stream.
        path: the file.
        x: one step of input, `[B, ...]`; the file takes this shape and type, its values do not matter.
        day: of a decoder that knows several recording days, the one that the file is for.
        int8: keep the matrices of linear layers and GRUs as integers of 8 bits, with a scale for each output; what
            meets them is rounded to 8 bits too, with a scale for each step. Memory and all else stay as they are. A
            third of the file; decoders of 256 channels took 0.6 to 0.9 of the time, of 128 channels 0.9 to 1.2.
        about: what else the file shall say in its metadata, such as the width of a bin.

    Raises:
        ImportError: onnx, onnxscript or onnxruntime is missing.
        TypeError: the network does not answer with one tensor.
        ValueError: the network does not take `x`, or remembers under the name `x` or `y`.
    """
    check_installed()
    still = folded(unwrap(net)).cpu()
    x = x.detach().cpu()
    rest = resting_memory(still, x, day=day)
    with reference(), torch.no_grad(), _quiet():
        program = torch.export.export(_OneStep(still, day, list(rest)), (x, *rest.values()))
        if int8:
            # ONNX has a GRU of its own, a little faster than its parts, which cannot multiply integers.
            program = program.run_decompositions(get_decompositions([torch.ops.aten.gru.input]))
        made = torch.onnx.export(
            program,
            input_names=["x", *rest],
            output_names=["y", *(name + NEXT for name in rest)],
            opset_version=OPSET,
            custom_translation_table=_translations(),
            dynamo=True,
            verbose=False,
        )
        assert made is not None
        model = _with_int8(made.model_proto) if int8 else made.model_proto
    model.doc_string = USAGE
    rests = {REST + name: json.dumps(_plain(tensor)) for name, tensor in rest.items()}
    del model.metadata_props[:]
    for key, value in {"ranvier": __version__, **(about or {}), **rests}.items():
        model.metadata_props.add(key=key, value=value)
    Path(path).write_bytes(model.SerializeToString())


def resting_memory(net: nn.Module, x: Tensor, *, day: int | None = None) -> dict[str, Tensor]:
    """Return what a network remembers before its first step, by the names of `Carry.state_dict`.

    Args:
        x: one step of input, `[B, ...]`.
        day: as in `export_step`.

    Raises:
        TypeError: the network does not answer with one tensor.
        ValueError: it does not take `x`, or remembers under the name `x` or `y`.
    """
    carry = Carry()
    with torch.no_grad():
        y = _answer(net, x, carry, day)
    if not isinstance(y, Tensor):
        raise TypeError(f"expected a network that answers with one tensor, {type(net).__name__} gives {type(y)}")
    # Every lane at rest, each with the state tensors that a step has made.
    carry.reset(list(range(len(x))))
    rest = carry.state_dict(net)
    if taken := {"x", "y"} & rest.keys():
        raise ValueError(
            f"the memory {min(taken)!r} of this {type(net).__name__} has the name of the input or the answer: "
            "export Stack(net)"
        )
    return rest


def check_installed() -> None:
    """Raise an ImportError that says what to type where a part of the extra is missing."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ImportError(f"ONNX files need {error.name}: type pip install 'ranvier[onnx]'") from None


class _OneStep(nn.Module):
    """The network as a function of tensors: x and memory to y and memory."""

    def __init__(self, net: nn.Module, day: int | None, names: list[str]) -> None:
        super().__init__()
        self.net, self.day, self.names = net, day, names
        self.training = False

    def forward(self, x: Tensor, *memory: Tensor) -> tuple[Tensor, ...]:
        carry = Carry()
        carry.load_state_dict(self.net, dict(zip(self.names, memory, strict=True)))
        y = _answer(self.net, x, carry, self.day)
        after = carry.state_dict(self.net)
        return y, *(after[name] for name in self.names)


def _answer(net: nn.Module, x: Tensor, carry: Carry, day: int | None) -> Any:
    y = net(x.unsqueeze(0), carry) if day is None else net(x.unsqueeze(0), carry, day=day)
    return y.squeeze(0) if isinstance(y, Tensor) else y


def _plain(tensor: Tensor) -> Any:
    """Return the number that fills a tensor, or, if it holds several, nested lists."""
    values = tensor.unique()
    return values.item() if len(values) == 1 else tensor.tolist()


def _translations() -> dict[Any, Any]:
    from onnxscript import opset20

    op: Any = opset20

    def copy(into: Any, source: Any, non_blocking: bool = False) -> Any:
        # Torch's own form leaves a source of one row as it is, where it should be repeated.
        return op.CastLike(op.Expand(source, op.Shape(into)), into)

    def lerp(start: Any, end: Any, weight: Any) -> Any:
        # Torch's own form chooses at every element from which end to start: an eighth of the nodes of an RWKV step.
        return op.Add(start, op.Mul(weight, op.Sub(end, start)))

    return {torch.ops.aten.copy.default: copy, torch.ops.aten.lerp.Tensor: lerp}


def _with_int8(model: "onnx.ModelProto") -> "onnx.ModelProto":
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "int8.onnx"
        # Unsigned weights: processors without 8-bit dot products overflow where one factor is signed and one is not.
        quantize_dynamic(
            model, path, op_types_to_quantize=["MatMul", "Gemm"], weight_type=QuantType.QUInt8, per_channel=True
        )
        return onnx.load(path)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep to ourselves what the exporters say to their developers: packages that are absent, advice, deprecations."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=FutureWarning)
            yield
    finally:
        logging.disable(before)
