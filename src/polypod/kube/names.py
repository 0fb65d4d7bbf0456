"""Which names an object of the API can have: others are never asked for, or written about."""

from __future__ import annotations

import re

_name = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


def are_names(*texts: str) -> bool:
    """Tell whether each is a name: a path of the API made of them leads where it should."""
    return all(_name.fullmatch(text) for text in texts)
