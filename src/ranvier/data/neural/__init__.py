"""Neural recordings: a session file becomes counts `[T, units]` and velocity `[T, axes]` in bins of one width.

    session file --open_session--> Session --bin_session--> Binned --stretches--> samples (x, velocity, day)

| file | spikes | behaviour |
|---|---|---|
| `.mat` (MATLAB 7.3) | times, by channel and unit | finger, cursor and target of O'Doherty's reaching sessions |
| `.nwb` | times of sorted units | any two- or three-dimensional time series |
| `.npz` | counts in bins | `velocity` or `position` in the same bins |

`cortex` makes sessions of a motor cortex whose units drift from day to day.
"""

from ranvier.data.neural.binning import Binned, bin_session
from ranvier.data.neural.files import open_session
from ranvier.data.neural.npz import write_npz_session
from ranvier.data.neural.session import Counts, Session, Signal, SpikeTimes
from ranvier.data.neural.splits import stretches

__all__ = [
    "open_session",
    "Session",
    "SpikeTimes",
    "Counts",
    "Signal",
    "bin_session",
    "Binned",
    "stretches",
    "write_npz_session",
]
