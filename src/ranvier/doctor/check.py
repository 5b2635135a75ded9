"""One finding of the doctor."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Check:
    """A finding: "ok", "missing" (optional and absent) or "broken"; `remedy` is what to type."""

    subject: str
    state: Literal["ok", "missing", "broken"]
    finding: str
    remedy: str = ""
