"""The one place where the engine meets the real doors."""

from __future__ import annotations

import secrets
import time
from pathlib import Path

from polypod.daemon.cluster import Cluster
from polypod.daemon.options import Options
from polypod.engine.baton import Baton
from polypod.engine.doors import Doors, Networks, Settings, Source, StatusSink
from polypod.foreign.mounts import RuntimeMounts
from polypod.foreign.run import ForeignDoor
from polypod.kernel.door import KernelDoor
from polypod.kernel.home import Home
from polypod.kube.devices import KubeletDevices
from polypod.kube.nothing import NoSource, NoStatus
from polypod.kube.status_files import StatusFiles
from polypod.kube.status_patches import StrictStatus
from polypod.store.backups import BackupFiles
from polypod.store.conf_folder import ConfFolder
from polypod.store.device_info import DeviceInfoFiles
from polypod.store.journal import SqliteJournal
from polypod.store.leases import LeaseFiles
from polypod.store.multus_cache import MultusCache
from polypod.store.networks import NetworkFiles
from polypod.store.readiness import ReadinessFile
from polypod.store.snapshot import SnapshotFile
from polypod.store.spares import Spares


def boot_id() -> str:
    """Return what tells one boot of the machine from another."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def open_doors(options: Options, joined: Cluster | None = None) -> Doors:
    """Return the real doors; pods come from the API server when one is joined.

    Raises:
        StorageError: the state folder cannot be used.
    """
    roots = (options.state, *((options.data_root,) if options.data_root else ()))
    baton = Baton()
    return Doors(
        kernel=KernelDoor(Home(), baton.aside),
        baton=baton,
        journal=SqliteJournal(options.state / "journal.db"),
        pools=LeaseFiles(
            default=_data(options) / "networks",
            roots=roots,
            spares=Spares(options.state / "spares"),
            aside=baton.aside,
        ),
        backups=BackupFiles(roots=roots, aside=baton.aside),
        foreign=ForeignDoor(mounts=plugins_mounts(options)),
        source=_source(options, joined),
        networks=networks_of(options),
        status=_status(options, joined),
        seed=lambda: secrets.token_hex(4),
        wall=time.time,
        monotonic=time.monotonic,
        settings=settings_of(options),
        cache=multus_cache(options),
        ready=ready_file(options),
        devices=KubeletDevices(
            kubelet=options.kubelet,
            client=joined.client if joined else None,
            node=joined.node if joined else "",
        ),
        device_files=DeviceInfoFiles(options.device_info),
        events=joined.events if joined is not None else None,
    )


def multus_cache(options: Options) -> MultusCache:
    """Return what Multus and libcni kept on this node."""
    return MultusCache(options.multus_cache or _data(options) / "multus")


def last_known(options: Options) -> SnapshotFile | None:
    """Return where pods and definitions are kept, None when nothing is to be believed later."""
    return SnapshotFile(options.state / "last-known.json") if options.last_known else None


def ready_file(options: Options) -> ReadinessFile | None:
    """Return what tells whether the primary can attach pods, None when nobody does."""
    return ReadinessFile(options.ready_file) if options.ready_file is not None else None


def _data(options: Options) -> Path:
    return options.data_root or Path("/var/lib/cni")


def _source(options: Options, joined: Cluster | None) -> Source:
    if joined is not None:
        return joined.source
    if options.manifests is None:
        return NoSource()
    from polypod.kube.manifests import ManifestSource

    return ManifestSource(options.manifests)


def _status(options: Options, joined: Cluster | None) -> StatusSink:
    if joined is not None:
        return StrictStatus(joined.status) if options.strict_status else joined.status
    return StatusFiles(options.status) if options.status else NoStatus()


def settings_of(options: Options) -> Settings:
    """Return what the operator decided, as the engine knows it."""
    return Settings(
        path=options.path,
        namespace_isolation=options.namespace_isolation,
        global_namespaces=options.global_namespaces,
        multus_namespace=options.multus_namespace,
        cluster_network="" if _primary(options) else options.cluster_network,
        default_networks=options.default_networks,
        system_namespaces=options.system_namespaces,
        auxiliary_chain=options.auxiliary_chain,
        boot_id=boot_id(),
    )


def networks_of(options: Options) -> Networks:
    """Return the networks that live in files on the node."""
    primary = _primary(options)
    folder = options.conf_dir or options.primary_dir
    if folder is not None and primary is None:
        return ConfFolder(folder, options.networks)
    return NetworkFiles(primary, options.networks)


def _primary(options: Options) -> Path | None:
    """Return the primary's file, where the operator named one."""
    if options.primary is None and "/" in options.cluster_network:
        return Path(options.cluster_network)
    return options.primary


def plugins_mounts(options: Options) -> RuntimeMounts | None:
    """Return where foreign plugins run that no shim asked for; None for this process's mounts."""
    if options.runtime is None or options.shim is None:
        return None
    return RuntimeMounts(options.runtime, options.shim)
