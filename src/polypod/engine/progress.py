"""How far one attachment has come: its record as it grows, and who is to blame when it fails.

Every step is in the journal before it is taken; without room for it, it is not taken.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from polypod.cni import versions
from polypod.cni.result import Result
from polypod.engine.attachment import Attachment
from polypod.engine.doors import Doors
from polypod.errors import PolypodError
from polypod.plan.record import Record, Step


class Progress(msgspec.Struct):
    """One attachment under way."""

    attachment: Attachment
    record: Record
    who: str
    """The pod as error texts name it: namespace, name and UID."""
    started: float
    """Monotonic time, in seconds."""
    result: Result | None = None
    """What the newest plugin of the chain reported."""

    def did(self, step: Step) -> None:
        """Replace the newest step by what came of it; the next put makes it durable."""
        self.record = msgspec.structs.replace(self.record, steps=(*self.record.steps[:-1], step))

    def did_not(self) -> None:
        """Take the newest step out: nothing of it took effect."""
        self.record = msgspec.structs.replace(self.record, steps=self.record.steps[:-1])

    def finish(self, doors: Doors) -> None:
        """Keep the final result in the record; the next put makes it durable."""
        if self.result is not None:
            self.record = msgspec.structs.replace(
                self.record,
                result=msgspec.json.encode(versions.to_json(self.result, "1.1.0")),
                duration_s=doors.monotonic() - self.started,
            )

    def blamed(self, type_: str) -> Blamed:
        """Let errors of a block say which pod, network and plugin they are about."""
        return Blamed(self, type_)


class Blamed(msgspec.Struct, frozen=True):
    """A block whose errors are about one plugin of one network."""

    progress: Progress
    plugin: str

    def __enter__(self) -> None:
        """Begin the block."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        """Name who is to blame."""
        if not isinstance(error, PolypodError):
            return
        network = self.progress.attachment.network
        if network.is_list:
            error.cause = f'plugin type="{self.plugin}" name="{network.name}" failed (add): {error}'
        blame(error, self.progress.who, network.name)


def blame(error: PolypodError, who: str, network: str) -> None:
    """Say in the cause which pod and network it was about."""
    error.cause = f'[{who}:{network}]: error adding container to network "{network}": {error.cause}'
    error.args = (error.cause,)


def will(steps: Sequence[tuple[Progress, Step]], doors: Doors) -> None:
    """Journal steps that are about to be taken, in one go.

    Raises:
        StorageError: there is no room; nothing has changed.
    """
    grown = [
        msgspec.structs.replace(progress.record, steps=(*progress.record.steps, step))
        for progress, step in steps
    ]
    if grown:
        doors.journal.put(*grown)
    for (progress, _), record in zip(steps, grown, strict=True):
        progress.record = record
