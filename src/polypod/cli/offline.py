"""Doors for verbs that work without the daemon: the real ones, over the folders that are given."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Generator
from pathlib import Path

import msgspec

from polypod.cli.options import Place
from polypod.daemon import settings_file
from polypod.daemon.doors import networks_of, open_doors, settings_of
from polypod.daemon.options import Options
from polypod.engine.doors import Doors
from polypod.foreign.run import ForeignDoor
from polypod.install.place import shim_binary
from polypod.kernel.door import KernelDoor
from polypod.kube.manifests import ManifestSource
from polypod.kube.nothing import NoSource, NoStatus
from polypod.store.backups import BackupFiles
from polypod.store.journal import SqliteJournal
from polypod.store.looking import LookingPools
from polypod.store.nothing import NoJournal


@contextlib.contextmanager
def doors(place: Place) -> Generator[Doors]:
    """Open the doors of a node for the length of a block; the state folder is made if need be.

    Raises:
        StorageError: the state folder cannot be used.
    """
    opened = open_doors(_options(place))
    try:
        yield opened
    finally:
        if isinstance(opened.journal, SqliteJournal):
            opened.journal.close()


def looking(place: Place) -> Doors:
    """Return doors that only look: no journal, no state folder, nothing is written.

    Raises:
        PolypodError: the file of settings cannot be used.
    """
    options = _options(place)
    leases = (place.data_root or Path("/var/lib/cni")) / "networks"
    roots = (place.state, *((place.data_root,) if place.data_root else ()))
    return Doors(
        kernel=KernelDoor(),
        journal=NoJournal(),
        pools=LookingPools(default=leases, roots=roots),
        backups=BackupFiles(roots=roots),
        foreign=ForeignDoor(inherited=os.environ),
        source=ManifestSource(place.manifests) if place.manifests else NoSource(),
        networks=networks_of(options),
        status=NoStatus(),
        seed=lambda: secrets.token_hex(4),
        wall=time.time,
        monotonic=time.monotonic,
        settings=settings_of(options),
    )


def _options(place: Place) -> Options:
    """Return what a daemon of this place would be told."""
    options = Options(
        manifests=place.manifests,
        primary=place.primary,
        state=place.state,
        status=place.status,
        data_root=place.data_root,
        path=place.path,
        runtime=place.runtime,
        shim=shim_binary() if place.runtime else None,
    )
    if place.config is None:
        return options
    settings = settings_file.read(place.config).settings
    return msgspec.structs.replace(
        options,
        networks=Path(settings.conf_dir),
        namespace_isolation=settings.namespace_isolation,
        global_namespaces=frozenset(settings.global_namespaces),
        multus_namespace=settings.multus_namespace,
        cluster_network="" if place.primary else settings.cluster_network,
        default_networks=settings.default_networks,
        system_namespaces=frozenset(settings.system_namespaces),
        auxiliary_chain=settings.auxiliary_cni_chain_name,
    )
