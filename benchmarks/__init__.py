"""What Ranvier costs beside the memory's own speed and beside its peers: `python -m benchmarks`.

Every timing is gated by its correctness, taken in turns with its rivals within one process, and written down together
with the machine, its load and the versions. `registry.py` lists the workloads.
"""
