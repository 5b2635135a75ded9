"""Networks for other runtimes: one step of time as an ONNX graph, with the memory as inputs and outputs.

    export_step(net, "step.onnx", x=x[0])     # x [T, B, ...]: the file is for the batch and the features of x[0]
    step = load_step("step.onnx")
    memory = step.rest()
    for bin in recording:                     # [B, ...]
        y, memory = step(bin, memory)

By the law of the carry these are the answers of the network to the whole recording. Any runtime for ONNX can run the
file; its metadata say what the memory is at rest (see `ranvier.export.onnx_graph`). It needs `ranvier[onnx]`.
"""

from ranvier.export.agreement import Agreement, compare
from ranvier.export.onnx_graph import export_step
from ranvier.export.onnx_step import Memory, Step, load_step

__all__ = ["export_step", "load_step", "Step", "Memory", "compare", "Agreement"]
