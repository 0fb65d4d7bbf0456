"""What a rule says of one thing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Effect(Enum):
    """What a switch means for it, from harmless to not."""

    SAME = "same"
    """It behaves as before."""
    BROKEN = "broken"
    """It does not work now, and will not work after the switch."""
    DIFFERS = "differs"
    """It works, but not in everything as before."""
    BLOCKS = "blocks"
    """It works now, and would not after the switch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One sentence about one thing."""

    effect: Effect
    subject: str
    """What it is about: `definition lab/blue`, `pod lab/web`, `setting binDir`."""
    text: str
    row: str = ""
    """The row of docs/differences.md that applies, by its first cell; empty for none."""
    hint: str = ""
    """What to do about it, empty for nothing."""
