"""Decoding as it happens: one bin of counts in, one velocity out."""

import math
import os
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ranvier.models.decoder import NeuralDecoder
from ranvier.recipes import Decoder
from ranvier.recipes.neural import Decoded
from ranvier.run import Run, open_run
from ranvier.stream.engine import ENGINES, EngineName, fastest

MEMORY = "memory."


class StreamingDecoder:
    """A decoder that is fed bin by bin and answers at once, for as long as it takes, in constant memory.

    The answer to a bin is computed from this bin and those before it: what follows cannot change it. All answers
    together are those of the network to the whole recording. Counts are smoothed as the run's data says
    (`data.smooth_ms`), and with `data.lag_ms` an answer is the velocity of so many milliseconds later than its bin.

    A bin takes its time whatever becomes of it: where a packet never came, type `push(None)`. A count that is missing
    is taken for the channel's mean in the training.

    Args:
        run: a finished run or its folder; or a `NeuralDecoder` in evaluation mode, whose counts are not smoothed.
        day: recording day of the adapter, from 0; -1 is the last. Needed where there are several.
        engine: what computes a step, see `ENGINES`; "auto" is the fastest one here.

    Attributes:
        channels: counts of a bin.
        outputs: numbers of an answer.
        bins: bins so far, those that never came among them.
        missed: bins of which no count came.
        bin_ms: width of a bin in the training; `None` for a bare network.
        lag_ms: how much later than its bin an answer is.
        day: as counted from 0, or `None`.

    Raises:
        FileNotFoundError: no run there, or one that is not finished.
        ValueError: a run that decodes nothing, a day that it does not know, or no such engine.

    >>> decoder = StreamingDecoder(NeuralDecoder(Decoder(in_channels=3, backbone="gru", width=8)).eval())
    >>> decoder.push([0, 2, 1]).shape, decoder.push([0, 2, 1], missing=[False, True, False]).shape
    ((2,), (2,))
    >>> answer = decoder.push(None)
    >>> decoder.bins, decoder.missed
    (3, 1)
    """

    def __init__(
        self, run: Run | Path | str | NeuralDecoder, *, day: int | None = None, engine: EngineName = "auto"
    ) -> None:
        net, data = _opened(run)
        self.day = _known(day, net.adapter.days)
        self.bin_ms = data.bin_ms if data else None
        self.lag_ms = round(data.lag_ms / data.bin_ms) * data.bin_ms if data else 0.0
        if engine != "auto" and engine not in ENGINES:
            raise ValueError(f"expected engine auto or one of {', '.join(ENGINES)}, got {engine!r}")
        self._engine = ENGINES[fastest() if engine == "auto" else engine](net, self.day)
        self._mean, self.outputs = net.x_mean.numpy(), len(net.y_mean)
        self._x = np.zeros_like(self._mean)
        self._keep = np.exp(-data.bin_ms / data.smooth_ms) if data and data.smooth_ms else None
        self._smoothed = np.zeros(self.channels)
        self.bins = self.missed = 0
        # The first step allocates, which no recording would wait for; what it remembers says what a memory looks like.
        self._engine.push(self._x)
        self._form = _form(self.memory())
        self.reset()

    @property
    def channels(self) -> int:
        """Counts of a bin."""
        return len(self._mean)

    def push(self, counts: ArrayLike | None, missing: ArrayLike | None = None) -> NDArray[np.float32]:
        """Return the velocity `[outputs]` after the next bin, in the unit of the training.

        Args:
            counts: spikes of each channel `[channels]`, NaN where one is missing; `None` for a packet that never came.
            missing: channels whose count is not to be believed, bool `[channels]`.

        Raises:
            ValueError: another number of channels, or counts below 0 or without end; such a bin has not been counted.
        """
        x = self._x
        if counts is None:
            x[:] = np.nan
        elif np.shape(counts) != x.shape:
            raise ValueError(
                f"expected a count of each of {self.channels} channels, got shape {np.shape(counts)}: type "
                "push(None) for a bin that never came"
            )
        else:
            x[:] = counts
            if missing is not None:
                x[self._mask(missing)] = np.nan
        # Both comparisons are false where a count is not a number.
        if not (x.min() >= 0 and x.max() < math.inf):
            self._fill(x)
        self.bins += 1
        if self._keep is not None:
            self._smoothed *= self._keep
            self._smoothed += (1 - self._keep) * x
            x[:] = self._smoothed
        return self._engine.push(x)

    def reset(self) -> None:
        """Put the memory to rest, as where another recording begins; `bins` and `missed` go on counting."""
        self._engine.rest()
        self._smoothed[:] = 0

    def memory(self) -> dict[str, torch.Tensor]:
        """Return what the network remembers, by the names of `Carry.state_dict`; it may be empty at rest."""
        return self._engine.memory()

    def save(self, path: Path | str) -> None:
        """Write what the decoder remembers, its day and its counters as safetensors, in one piece or not at all."""
        from safetensors.torch import save

        tensors = {MEMORY + name: tensor.contiguous() for name, tensor in self.memory().items()}
        tensors["smoothed"] = torch.from_numpy(self._smoothed)
        about = {"day": "" if self.day is None else str(self.day), "bins": str(self.bins), "missed": str(self.missed)}
        path = Path(path)
        temporary = path.with_name(f".{path.name}.tmp")
        temporary.write_bytes(save(tensors, about))
        os.replace(temporary, path)

    @classmethod
    def restore(cls, path: Path | str, run: Run | Path | str | NeuralDecoder, *, engine: EngineName = "auto") -> Self:
        """Return a decoder that goes on where `save` was called, also with other weights in an equal network.

        Raises:
            FileNotFoundError: no such file.
            ValueError: a damaged file, or the memory of another network; as the class otherwise.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, "pt") as file:
                about, names = file.metadata() or {}, file.keys()
                tensors = {name: file.get_tensor(name) for name in names}
            counters = {name: int(about[name]) for name in ("bins", "missed")}
            day, smoothed = int(about["day"]) if about["day"] else None, tensors.pop("smoothed")
        except (SafetensorError, KeyError, ValueError) as error:
            raise ValueError(f"{path}: not the memory of a stream: {error}") from None
        decoder = cls(run, day=day, engine=engine)
        memory = {name.removeprefix(MEMORY): tensor for name, tensor in tensors.items()}
        if (memory and _form(memory) != decoder._form) or smoothed.shape != decoder._smoothed.shape:
            raise ValueError(f"{path}: the memory of another network: choose the run that it was saved with")
        decoder._engine.load(memory)
        decoder._smoothed[:] = smoothed.numpy()
        decoder.bins, decoder.missed = counters["bins"], counters["missed"]
        return decoder

    def _mask(self, missing: ArrayLike) -> NDArray[np.bool_]:
        mask = np.asarray(missing)
        if mask.dtype != np.bool_ or mask.shape != self._x.shape:
            raise ValueError(f"expected missing as bool [{self.channels}], got {mask.dtype} of shape {mask.shape}")
        return mask

    def _fill(self, x: NDArray[np.float32]) -> None:
        """Put means where counts are missing."""
        absent = np.isnan(x)
        wrong = np.flatnonzero(~absent & ~((x >= 0) & (x < math.inf)))
        if len(wrong):
            raise ValueError(
                f"expected counts from 0 on, got {x[wrong[0]]:g} in channel {wrong[0]}: type NaN, or missing=, where "
                "there is none"
            )
        np.copyto(x, self._mean, where=absent)
        self.missed += bool(absent.all())


def _opened(run: Run | Path | str | NeuralDecoder) -> tuple[NeuralDecoder, Decoded | None]:
    if isinstance(run, NeuralDecoder):
        if run.training:
            raise ValueError("expected a network in evaluation mode to stream: call net.eval() first")
        return run, None
    run = run if isinstance(run, Run) else open_run(run)
    if not isinstance(run.config.model, Decoder):
        raise ValueError(
            f"{run.path} holds a run of {run.config.name!r}, which decodes no recording of neurons: choose a run of a "
            "recipe such as decode-gru"
        )
    net = run.net()
    assert isinstance(net, NeuralDecoder)
    assert isinstance(run.config.data, Decoded)
    return net, run.config.data


def _known(day: int | None, days: int) -> int | None:
    if day is None and days == 1:
        return None
    if day is None or not -days <= day < days:
        raise ValueError(f"expected a day from 0 to {days - 1}, got {day}: type day=-1 for the last")
    return day % days


def _form(memory: dict[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in memory.items()}
