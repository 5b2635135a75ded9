"""Which workloads there are, and in which processes each is run."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks import (
    allocator,
    attention,
    conv_net,
    decode_step,
    decode_throughput,
    drive,
    gather,
    lif,
    mosaic,
    overhead,
    published,
    published_layers,
    representations,
    s4d,
    selective_scan,
    spiking_ssm,
    stream_ssm,
    wkv,
)
from benchmarks.harness import Row, Settings


@dataclass(frozen=True)
class Workload:
    """A function that returns measured rows, and the processes that it wants.

    Attributes:
        scaling: whether it is repeated for every number of threads; otherwise one thread is all it uses.
        allocators: the allocator settings it is run under, see `benchmarks.process`.
        cuda: whether it has something to measure on a CUDA device.
    """

    run: Callable[[Settings], list[Row]]
    scaling: bool = True
    allocators: tuple[str, ...] = ("steady",)
    cuda: bool = False


WORKLOADS: dict[str, Workload] = {
    "lif": Workload(lif.run, cuda=True),
    "conv_net": Workload(conv_net.run, cuda=True),
    "gather": Workload(gather.run),
    "published": Workload(published.run, scaling=False),
    "published_layers": Workload(published_layers.run, scaling=False),
    "representations": Workload(representations.run, scaling=False),
    "mosaic": Workload(mosaic.run, scaling=False),
    "drive": Workload(drive.run, scaling=False),
    "s4d": Workload(s4d.run, scaling=False, cuda=True),
    "spiking_ssm": Workload(spiking_ssm.run, scaling=False, cuda=True),
    "stream_ssm": Workload(stream_ssm.run, scaling=False),
    "wkv": Workload(wkv.run, scaling=False, cuda=True),
    "selective_scan": Workload(selective_scan.run, scaling=False, cuda=True),
    "attention": Workload(attention.run, scaling=False),
    "decode_step": Workload(decode_step.run, scaling=False),
    "decode_throughput": Workload(decode_throughput.run, scaling=False, cuda=True),
    "overhead": Workload(overhead.run, scaling=False, cuda=True),
    "allocator": Workload(allocator.run, scaling=False, allocators=("default", "keep_pages", "steady")),
}
