"""What came of ops that were carried out together.

A send may hold many ops, and the kernel goes on after one it refuses. So the answer is one entry
for each op, never a single error: an undo must know what took effect.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import msgspec

from polypod.errors import PolypodError
from polypod.plan.facts import Fact, Query
from polypod.plan.ops import Identity


class Done(msgspec.Struct, frozen=True):
    """The op took effect; makers of links say what they made."""

    identity: Identity | None = None


class Failed(msgspec.Struct, frozen=True):
    """The op was refused; `is_partial` when some of it may stand and has to be taken back."""

    error: PolypodError
    is_partial: bool = False
    identity: Identity | None = None


Effect: TypeAlias = Done | Failed | None
"""None: it was never tried, because one before it failed."""


class Outcome(msgspec.Struct, frozen=True):
    """The effects, in the order of the ops."""

    effects: tuple[Effect, ...]
    heard: Mapping[Query, Fact] = {}
    """Facts that the kernel told on the way, so that nobody has to ask again."""

    @property
    def is_complete(self) -> bool:
        """Tell whether every op took effect."""
        return all(isinstance(effect, Done) for effect in self.effects)
