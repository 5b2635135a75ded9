"""What one call costs when there is next to nothing to compute: a stream fed step by step, T=1 and N=64."""

import torch

from benchmarks.gate import check
from benchmarks.harness import Call, Row, Settings, row, take_turns
from benchmarks.lif import current
from benchmarks.peers import PEERS, available
from ranvier import kernels
from ranvier.carry import Carry
from ranvier.neurons import LIF

TARGETS = {"kernels.lif(x, v)": 30.0, "neuron(x, carry)": 40.0}


def run(settings: Settings) -> list[Row]:
    """Return microseconds per call without gradients."""
    x = current((1, 1, 64), device=settings.device)
    v = torch.zeros_like(x[0])
    neuron, carry = LIF(tau=2.0), Carry()
    calls: dict[str, Call] = {
        "torch.clone": x.clone,
        "kernels.lif(x, v)": lambda: kernels.lif(x, v, decay=0.5, gain=0.5),
        "neuron(x, carry)": lambda: neuron(x, carry),
    }
    peers, missing = available(settings.device) if settings.peers else ({}, {})
    for name, theirs in peers.items():
        their_x = PEERS[name].prepare(x)
        calls[name] = lambda theirs=theirs, their_x=their_x: theirs(their_x)
    with torch.no_grad():
        with kernels.reference():
            expected = kernels.lif(x, v, decay=0.5, gain=0.5)
        ours = kernels.lif(x, v, decay=0.5, gain=0.5)
        check("one step: spikes", ours.s, expected.s)
        check("one step: membrane", ours.v, expected.v)
        check("one step: neuron", neuron(x, carry), expected.s)
        rounds = take_turns(calls, rounds=settings.rounds, device=settings.device)
    rows = [row(name, None, "us", note=reason) for name, reason in missing.items()]
    for name in calls:
        low, high = rounds.spread(name)
        target = TARGETS.get(name) if settings.device == "cpu" else None
        value = 1e6 * rounds.median(name)
        rows.append(row(name, value, "us", target=target, better="lower", spread=(1e6 * low, 1e6 * high)))
    return rows
