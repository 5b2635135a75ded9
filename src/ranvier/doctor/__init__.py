"""What this installation can do: versions, kernels, extras, threads and data, each with what to type where it lacks."""

from ranvier.doctor.check import Check
from ranvier.doctor.examine import examine

__all__ = ["Check", "examine"]
