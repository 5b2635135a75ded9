"""Files of events: `open_events` reads every format, `write_*` write those that need no library.

| format | file | sensor size from |
|---|---|---|
| EVT 2.0, EVT 3.0 | `.raw` | header, or the name of the camera |
| AEDAT 3.1 | `.aedat` | the name of the camera |
| AEDAT 4 | `.aedat4` | header |
| Event Stream | `.es` | header |
| DAT 1, 2 | `.dat` | header, often silent |
| N-MNIST | `.bin`, `.bs2` | none; `.bin` means 34x34 |
| NumPy | `.npz` | the optional array `sensor` |
| CSV | `.csv`, `.txt` | none |
"""

from ranvier.data.formats.csv import write_csv
from ranvier.data.formats.dat import write_dat
from ranvier.data.formats.nmnist import write_nmnist
from ranvier.data.formats.npz import write_npz
from ranvier.data.formats.recording import Recording, open_events
from ranvier.data.formats.source import EventFileError, Format

__all__ = [
    "open_events",
    "Recording",
    "Format",
    "EventFileError",
    "write_dat",
    "write_nmnist",
    "write_npz",
    "write_csv",
]
