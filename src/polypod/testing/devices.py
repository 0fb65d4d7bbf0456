"""The kubelet's devices and the files that tell of them, in memory."""

from __future__ import annotations

from collections.abc import Mapping

from polypod.errors import PolypodError
from polypod.nad.devices import FOLDER
from polypod.testing.clock import Trace


class FakeDevices:
    """Devices by pod; a pod that was given none has none."""

    def __init__(self, trace: Trace | None = None) -> None:
        """Begin empty."""
        self.pods: dict[tuple[str, str], dict[str, tuple[str, ...]]] = {}
        self.broken: PolypodError | None = None
        self.asked: list[tuple[str, str, str]] = []
        self._trace = trace or Trace()

    def give(self, namespace: str, name: str, **devices: tuple[str, ...]) -> None:
        """Give a pod devices by resource."""
        self.pods[namespace, name] = devices

    def of_pod(self, namespace: str, name: str, uid: str) -> Mapping[str, tuple[str, ...]]:
        """Return a pod's devices.

        Raises:
            PolypodError: what a test wants it to raise.
        """
        self._trace.stop("devices.of_pod", f"{namespace}/{name}")
        self.asked.append((namespace, name, uid))
        if self.broken is not None:
            raise self.broken
        return self.pods.get((namespace, name), {})


class FakeDeviceFiles:
    """Files by name: what device plugins wrote, and what attachments have."""

    def __init__(self, trace: Trace | None = None) -> None:
        """Begin empty."""
        self.plugins: dict[str, bytes] = {}
        self.attachments: dict[str, bytes] = {}
        self._trace = trace or Trace()

    def path(self, name: str) -> str:
        """Return the path that a real one would have."""
        return f"{FOLDER}/cni/{name}"

    def copy(self, source: str, name: str) -> None:
        """Copy a device plugin's file, if there is one."""
        self._trace.stop("device_files.copy", name)
        if source in self.plugins:
            self.attachments[name] = self.plugins[source]

    def read(self, name: str) -> bytes | None:
        """Return an attachment's file."""
        return self.attachments.get(name)

    def remove(self, name: str) -> None:
        """Remove an attachment's file; absent is fine."""
        self._trace.stop("device_files.remove", name)
        self.attachments.pop(name, None)
