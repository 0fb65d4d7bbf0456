"""The kubelet's device checkpoint: which devices its plugins gave, as it keeps them on disk.

For a kubelet whose PodResources socket is not there. The file's form is the kubelet's own and may
change with it; it knows pods by their UID, and no dynamic resources.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from polypod.errors import DecodeError, InvalidEnvironmentError, TryAgainError

MAX_BYTES = 16 << 20


class _Entry(msgspec.Struct, rename="pascal"):
    resource_name: str
    pod_uid: str = msgspec.field(name="PodUID")
    device_ids: dict[str, list[str]] | None = msgspec.field(name="DeviceIDs", default=None)
    """By the number of their NUMA node."""


class _Data(msgspec.Struct, rename="pascal"):
    pod_device_entries: list[_Entry] | None = None


class _Checkpoint(msgspec.Struct, rename="pascal"):
    data: _Data


def read(path: Path, uid: str) -> dict[str, list[str]]:
    """Return a pod's device ids by the resource's name; a pod it does not know has none.

    Raises:
        InvalidEnvironmentError: the pod's UID is not known.
        TryAgainError: the file is not there, or cannot be read.
        DecodeError: it is not what the kubelet writes.
    """
    if not uid:
        raise InvalidEnvironmentError(
            "the kubelet's device checkpoint knows pods by their UID, and this one has none",
            hint="the runtime must pass K8S_POD_UID in CNI_ARGS",
        )
    found: dict[str, list[str]] = {}
    for entry in _entries(path):
        if entry.pod_uid == uid:
            for ids in (entry.device_ids or {}).values():
                found.setdefault(entry.resource_name, []).extend(ids)
    return found


def _entries(path: Path) -> list[_Entry]:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise TryAgainError(
            f"getPodEntries: error reading file {path}: {error.strerror}",
            hint="neither the kubelet's PodResources socket nor its device checkpoint is there:"
            " mount the kubelet's pod-resources and device-plugins folders",
        ) from error
    if len(raw) > MAX_BYTES:
        raise DecodeError(f"{path} is longer than 16 MiB")
    try:
        return msgspec.json.decode(raw, type=_Checkpoint).data.pod_device_entries or []
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError(f"getPodEntries: error unmarshalling file {path}: {error}") from error
