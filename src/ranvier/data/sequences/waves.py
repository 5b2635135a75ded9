"""Sound from WAV files."""

import io
import wave

import numpy as np
from numpy.typing import NDArray


def read_wave(raw: bytes, *, name: str, rate: int) -> NDArray[np.float32]:
    """Return the sound of a WAV file, `[T, 1]` from -1 to 1, at `rate` samples a second.

    Args:
        raw: the bytes of the file.
        name: what the messages call it.

    Raises:
        ValueError: no WAV file, one that is cut short or empty, or another form than mono with 16 bits at `rate`.
    """
    try:
        with wave.open(io.BytesIO(raw)) as sound:
            found = sound.getframerate(), sound.getnchannels(), 8 * sound.getsampwidth()
            count = sound.getnframes()
            samples = sound.readframes(count)
    except (wave.Error, EOFError) as error:
        raise ValueError(f"{name} is not a readable WAV file ({error or 'it ends early'}): download it again") from None
    if found != (rate, 1, 16):
        hertz, channels, bits = found
        raise ValueError(
            f"{name} has {hertz:,} samples a second, {channels} channels and {bits} bits, expected {rate:,}, 1 and 16: "
            f"type sox {name} -r {rate} -c 1 -b 16 OUT.wav"
        )
    if not count or len(samples) != 2 * count:
        raise ValueError(f"{name} announces {count:,} samples and holds {len(samples) // 2:,}: download it again")
    return np.frombuffer(samples, "<i2").astype(np.float32)[:, None] / np.float32(32768)
