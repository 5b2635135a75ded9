"""Kernels: tensor functions with a readable reference, and the fast versions that PyTorch's dispatcher picks.

| function | what it computes | reference |
|---|---|---|
| `lif` | the spiking recurrence over all time steps | `ranvier.kernels.lif.lif_reference` |
| `scan` | a diagonal linear recurrence over all time steps, and its read-out | `ranvier.kernels.scan.scan_reference` |
| `wkv` | the averages of RWKV-4, by key and age, over all time steps | `ranvier.kernels.wkv.wkv_reference` |
| `selective_scan` | `scan` whose step, drive and read-out are data | `selective_scan.selective_scan_reference` |
| `gather.linear`, `gather.conv2d` | a layer as the sum of the weight rows of its active inputs | dense layer |

`RANVIER_BACKEND=reference` or `with kernels.reference():` runs the references in plain torch.
"""

from ranvier.kernels import gather
from ranvier.kernels.backend import reference, uses_reference
from ranvier.kernels.lif import LIFOutput, lif
from ranvier.kernels.scan import ScanOutput, scan
from ranvier.kernels.selective_scan import selective_scan
from ranvier.kernels.wkv import WKVOutput, WKVState, wkv

__all__ = [
    "LIFOutput",
    "ScanOutput",
    "WKVOutput",
    "WKVState",
    "gather",
    "lif",
    "reference",
    "scan",
    "selective_scan",
    "uses_reference",
    "wkv",
]
