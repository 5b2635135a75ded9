"""What fresh memory pages cost: one size of `lif` in processes that differ in their allocator settings alone."""

import resource

from benchmarks.harness import Row, Settings, row
from benchmarks.lif import CEILING, OURS, Cell, current, forward_turns, training_turns


def run(settings: Settings) -> list[Row]:
    """Return times per element-step, page faults per call being what differs, and the memory at the end."""
    cell = Cell(16, 2**20 if settings.size == "full" else 64)
    x = current((cell.steps, 1, cell.neurons), cell.dtype, settings.device)
    rows = []
    for mode, turns in (("forward", forward_turns), ("forward+backward", training_turns)):
        # The reference loop would leave a large heap behind that hides what a fresh page costs.
        rounds = turns(x, {}, settings, reference=False)
        for name in (CEILING, OURS):
            value = rounds.median(name) * 1e9 / cell.elements
            rows.append(row(f"{name} {mode}", value, "ns per element-step", column=str(cell), better="lower"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [*rows, row("peak resident memory", peak, "MiB", better="lower")]
