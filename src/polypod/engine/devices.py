"""Devices for a pod's networks: given out in the networks' order, and told of in files.

The kubelet chose a pod's devices before its sandbox is made; here each network that wants one gets
the next. A pod without such a network is not asked about.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from polypod.cni import arguments
from polypod.cni.request import Request
from polypod.engine import tell
from polypod.engine.attachment import Attachment, DeviceFile
from polypod.engine.doors import DeviceFiles, Doors, Pod
from polypod.engine.progress import Progress, will
from polypod.nad import devices
from polypod.nad.definition import Definition
from polypod.plan.record import DeviceStep

log = logging.getLogger("polypod.engine")


@dataclass(frozen=True, slots=True)
class Given:
    """A device that the kubelet gave the pod, and the resource it is one of."""

    resource: str
    device: str


class Handout:
    """The devices of one pod, for the networks of one call; asked for when the first is wanted."""

    def __init__(self, request: Request, pod: Pod | None, doors: Doors) -> None:
        """Keep whom to ask, and for whom."""
        self._request = request
        self._pod = pod
        self._doors = doors
        self._found: Mapping[str, Sequence[str]] | None = None
        self._taken: Counter[str] = Counter()

    def take(self, definition: Definition) -> Given | None:
        """Return the next device for a network, None when it wants none, or none is left.

        Raises:
            PolypodError: nobody can be asked which devices the pod has.
        """
        resource = devices.wanted_resource(definition)
        asked = self._doors.devices
        if not resource or self._pod is None or asked is None:
            return None
        if self._found is None:
            uid = arguments.given(self._request.arguments).get("K8S_POD_UID", "")
            self._found = asked.of_pod(self._pod.namespace, self._pod.name, uid or self._pod.uid)
        ids, number = self._found.get(resource, ()), self._taken[resource]
        if number < len(ids):
            self._taken[resource] += 1
            return Given(resource, ids[number])
        network = f"{definition.namespace}/{definition.name}"
        log.warning(
            "device.none_left pod=%s/%s network=%s resource=%s",
            self._pod.namespace,
            self._pod.name,
            network,
            resource,
        )
        tell.no_device(self._pod, network, resource, self._doors)
        return None


def file_of(name: str, request: Request, ifname: str, given: Given | None) -> DeviceFile:
    """Return where plugins and other programs find what is known of an attachment's device."""
    source = devices.plugin_file(given.resource, given.device) if given else ""
    return DeviceFile(devices.attachment_file(name, request.container_id, ifname), source)


def place_files(works: Sequence[Progress], doors: Doors) -> None:
    """Journal the files of devices, and copy what device plugins tell of them.

    Raises:
        StorageError: the journal has no room.
    """
    with_file = [(work, work.attachment.device_file) for work in works]
    found = [(work, file) for work, file in with_file if file is not None]
    if not found or doors.device_files is None:
        return
    will([(work, DeviceStep(file=file.name)) for work, file in found], doors)
    for _, file in found:
        if file.source:
            doors.device_files.copy(file.source, file.name)


def info_of(attachment: Attachment, files: DeviceFiles | None) -> Mapping[str, object] | None:
    """Return what network-status says of an attachment's device."""
    if attachment.device_file is None or files is None:
        return None
    content = files.read(attachment.device_file.name)
    return devices.read_info(content) if content else None
