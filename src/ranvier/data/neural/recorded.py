"""Recorded sessions by name, or from files of one's own."""

import functools
from pathlib import Path

from ranvier.data.datasets.frames import Split
from ranvier.data.generate import Progress
from ranvier.data.neural.binning import Binned, Missing, bin_session
from ranvier.data.neural.files import SUFFIXES, open_session
from ranvier.data.neural.matlab import Sorting
from ranvier.data.neural.samples import NeuralSamples, arrange
from ranvier.data.root import find
from ranvier.recipes import Sessions

FILES = {
    "s1-random-target": "s1_random_target.npz",
    "m1-center-out": "m1_center_out_stevenson.npz",
    "m1-trials": "m1_chewie_center_out_trials.npz",
    "maze-trial": "mc_maze_trial_748.npz",
}


def sessions(config: Sessions, split: Split, progress: Progress | None = None) -> NeuralSamples:
    """Return one split of recorded sessions: `train` in windows, `val` and `test` in whole stretches.

    Raises:
        FileNotFoundError: no session file; the message says where it was looked for.
        EventFileError: a file that is damaged or no session.
        ValueError: days of different unit counts, behaviour that is missing, a width of bins that a file cannot give, a
            session without a bin in this split, or one shorter than a window.
    """
    files = session_files(config)
    days = []
    for done, path in enumerate(files):
        stamp = path.stat().st_mtime_ns
        days.append(_read(path, stamp, config.bin_ms, config.area, config.sorting, config.movement, config.missing))
        if progress is not None:
            progress(done + 1, len(files))
    expected = config.units or len(days[0].units)
    for day in days:
        if len(day.units) != expected:
            whose = "--data.units asks for" if config.units else f"day {days[0].name} has"
            raise ValueError(
                f"session {day.name} has {len(day.units)} units, {whose} {expected}: a decoder reads the same number "
                "on every day; choose days with --data.days, or channels with --data.area"
            )
    return arrange(days, config, split)


def session_files(config: Sessions) -> list[Path]:
    """Return the file of each day.

    Raises:
        FileNotFoundError: there is none.
    """
    root = find(config.root, "neural_reach")
    if root.is_file():
        return [root]
    if config.name != "sessions":
        found = [root / FILES[config.name]]
    elif config.root is None:
        raise FileNotFoundError("no session named: pass --data.root FILE (.mat, .nwb or .npz) or a folder of them")
    else:
        found = sorted(path for path in root.iterdir() if path.suffix in SUFFIXES)
    if config.days:
        by_name = {path.stem: path for path in found}
        if unknown := [day for day in config.days if day not in by_name]:
            raise FileNotFoundError(f"no day {unknown[0]} in {root}: there are {', '.join(by_name) or 'none'}")
        found = [by_name[day] for day in config.days]
    if not found or not all(path.is_file() for path in found):
        raise FileNotFoundError(f"no session {config.name} in {root.absolute()}: pass --data.root FILE-OR-FOLDER")
    return found


@functools.lru_cache(maxsize=64)
def _read(
    path: Path, modified: int, bin_ms: float, area: str, sorting: Sorting, movement: str | None, missing: Missing
) -> Binned:
    session = open_session(path, area=area, sorting=sorting, movement=movement)
    return bin_session(session, bin_ms / 1000, missing=missing)
