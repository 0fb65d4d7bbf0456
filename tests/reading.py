"""What tests read twice, before a case and after it: kinds of traces, each counted."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields

SHARED_FILE = re.compile(r"lock|last_reserved_ip\.\d+")
"""Files of a network's leases that belong to no pod."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading; its fields are Counters."""

    def difference(self, other: Reading) -> dict[str, str]:
        """Return what is in only one of the two, by kind of trace."""
        found: dict[str, str] = {}
        for field in fields(self):
            mine, theirs = getattr(self, field.name), getattr(other, field.name)
            if mine != theirs:
                found[field.name] = f"appeared {[*(theirs - mine)]}, vanished {[*(mine - theirs)]}"
        return found
