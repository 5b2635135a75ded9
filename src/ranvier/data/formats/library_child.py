"""The child process of `library.py`: decodes one file at a time, a block on request, until its input ends.

A request is a line of JSON: {"open": path, "format": name} or {} for the next block. The answer is a line of JSON,
{"sensor": [width, height]}, {"events": n} followed by n packed `EVENT` records, {} at the end of the recording, or
{"error": text, "panic": bool}. It imports nothing of the package, to start fast.
"""

import json
import sys
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

EVENT = np.dtype([("t", "<u8"), ("x", "<u2"), ("y", "<u2"), ("on", "?")])
# A damaged length makes the library ask for gigabytes: it shall fail here, not fill the machine.
MEMORY = 4 << 30


def limit_memory() -> None:
    """Cap the address space of this process where the system can."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    except (ImportError, ValueError, OSError):
        return


def decode_aedat4(path: str) -> tuple[tuple[int, int], Iterator[NDArray]]:
    """Return the sensor of the first event stream of an AEDAT4 file, and its packets."""
    from faery.extension import aedat

    decoder = aedat.Decoder(path)
    tracks = [track for track in decoder.tracks() if track.data_type == "events"]
    if not tracks:
        raise ValueError("the file has no stream of events")
    first = min(tracks, key=lambda track: track.id)
    return first.dimensions, (packet for track, packet in decoder if track.id == first.id)


def decode_es(path: str) -> tuple[tuple[int, int], Iterator[NDArray]]:
    """Return the sensor of an Event Stream file, and its packets with y counted from the top as everywhere else."""
    from faery.extension import es

    decoder = es.Decoder(path, 0)
    if decoder.event_type not in ("dvs", "atis"):
        raise ValueError(f"events of type {decoder.event_type}, expected dvs or atis")
    height = decoder.dimensions[1]

    def packets() -> Iterator[NDArray]:
        for packet in decoder:
            if decoder.event_type == "atis":
                packet = packet[~packet["exposure"]]
            rows = np.empty(len(packet), EVENT)
            rows["t"], rows["x"], rows["y"] = packet["t"], packet["x"], height - 1 - packet["y"]
            rows["on"] = packet["polarity" if decoder.event_type == "atis" else "on"]
            yield rows

    return decoder.dimensions, packets()


DECODERS = {"aedat4": decode_aedat4, "es": decode_es}


def serve() -> None:
    """Answer requests from standard input on standard output."""
    packets: Iterator[NDArray] = iter(())
    for line in sys.stdin.buffer:
        raw = b""
        try:
            request = json.loads(line)
            if "open" in request:
                sensor, packets = DECODERS[request["format"]](request["open"])
                answer = {"sensor": list(sensor)}
            else:
                packet = next(packets, None)
                raw = b"" if packet is None else packet.astype(EVENT, copy=False).tobytes()
                answer = {} if packet is None else {"events": len(packet)}
        except (KeyboardInterrupt, SystemExit):
            return
        except BaseException as error:
            # A panic of the library is no Exception; what it leaves behind is not to be trusted with another file.
            answer = {"error": " ".join(str(error).split()), "panic": not isinstance(error, Exception)}
        sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n" + raw)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    limit_memory()
    serve()
