"""The doors of a plugin executable: the real kernel and files, no journal, no daemon."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from polypod.cni import failure
from polypod.cni import request as cni_request
from polypod.engine import single
from polypod.engine.doors import Doors
from polypod.errors import PolypodError
from polypod.foreign.run import ForeignDoor
from polypod.kernel.door import KernelDoor
from polypod.kube.nothing import NoSource, NoStatus
from polypod.store.backups import BackupFiles
from polypod.store.leases import LeaseFiles
from polypod.store.networks import NetworkFiles
from polypod.store.nothing import NoJournal


def doors() -> Doors:
    """Return doors for one call; the caller is root already, so any path is allowed."""
    return Doors(
        kernel=KernelDoor(),
        journal=NoJournal(),
        pools=LeaseFiles(default=Path("/var/lib/cni/networks"), roots=None),
        backups=BackupFiles(roots=None),
        foreign=ForeignDoor(inherited=os.environ),
        source=NoSource(),
        networks=NetworkFiles(None, None),
        status=NoStatus(),
        seed=lambda: secrets.token_hex(4),
        wall=time.time,
        monotonic=time.monotonic,
    )


def call(
    type_: str,
    environment: Mapping[str, str],
    stdin: bytes,
    open_doors: Callable[[], Doors] = doors,
) -> tuple[int, bytes]:
    """Run one command of one plugin; every error is an answer."""
    try:
        return 0, single.call(type_, cni_request.parse(environment, stdin), open_doors())
    except PolypodError as error:
        return 1, failure.render(error, with_hint=False)
