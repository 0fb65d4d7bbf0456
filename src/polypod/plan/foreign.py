"""One run of a foreign plugin, as a value: the engine asks, foreign/ or the shim carries out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignCall:
    """One run of a foreign plugin; its executable is looked up along path."""

    type: str
    command: str
    container_id: str
    netns: str
    ifname: str
    arguments: str
    path: tuple[str, ...]
    stdin: bytes
