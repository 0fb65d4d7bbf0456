"""A foreign plugin's turn: journaled, run by whoever can run it, its answer read."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from polypod.cni import fields, versions
from polypod.cni.result import Result
from polypod.engine.doors import Doors
from polypod.engine.progress import Progress, will
from polypod.errors import NotStartedError
from polypod.plan.foreign import ForeignCall
from polypod.plan.record import ForeignStep

NO_RESULT = "failed to unmarshal raw result"
"""What is said of a plugin whose ADD succeeds and prints no JSON object."""


def add(type_: str, config: Mapping[str, object], progress: Progress, doors: Doors) -> Result:
    """Run ADD of somebody else's plugin, for a network or for its addresses.

    Raises:
        PolypodError: it failed; its DEL is due, unless it was never started.
    """
    attachment = progress.attachment
    stdin = msgspec.json.encode(config, order="sorted")
    step = ForeignStep(
        type=type_, config=stdin, arguments=attachment.arguments, path=attachment.path
    )
    will([(progress, step)], doors)
    call = ForeignCall(
        type=type_,
        command="ADD",
        container_id=progress.record.container_id,
        netns=progress.record.netns,
        ifname=attachment.ifname,
        arguments=attachment.arguments,
        path=attachment.path,
        stdin=stdin,
    )
    try:
        answer = doors.foreign.run(call)
    except NotStartedError:
        progress.did_not()  # its DEL could not be started either, and nobody would get rid of it
        raise
    answered = {} if answer.strip() == b"null" else fields.decode_object(answer, NO_RESULT)
    version = fields.text(answered, "cniVersion") or attachment.network.cni_version
    return versions.parse(answered, version)
