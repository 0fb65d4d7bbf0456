"""Which devices a pod has, by the name of the resource: the kubelet's word, and the API server's.

Asked only for pods with a network that wants a device. The PodResources socket is asked first; a
kubelet without it has a checkpoint file. Claims for dynamic resources are looked up at the API
server, for a node that has one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from polypod.errors import PolypodError
from polypod.kube.client import Client

if TYPE_CHECKING:  # what asks is imported when somebody asks: most nodes have no such network
    from polypod.kube.pod_resources import Claim, Held

KUBELET = Path("/var/lib/kubelet")
CHECKPOINT = KUBELET / "device-plugins" / "kubelet_internal_checkpoint"
"""A kubelet keeps its device plugins here wherever its own folder is."""


class KubeletDevices(msgspec.Struct, frozen=True, kw_only=True):
    """One node's devices."""

    kubelet: Path = KUBELET
    """The kubelet's folder."""
    checkpoint: Path = CHECKPOINT
    client: Client | None = None
    """None for a node without API server."""
    node: str = ""

    def of_pod(self, namespace: str, name: str, uid: str) -> Mapping[str, tuple[str, ...]]:
        """Return device ids by resource, sorted, so that networks get them in a fixed order.

        Raises:
            PolypodError: the kubelet or the API server cannot be asked, or refuse.
        """
        held = self._held(namespace, name, uid)
        found = {resource: set(ids) for resource, ids in held.devices.items()}
        for resource, device in self._claimed(held.claims):
            found.setdefault(resource, set()).add(device)
        return {resource: tuple(sorted(ids)) for resource, ids in found.items() if ids}

    def _held(self, namespace: str, name: str, uid: str) -> Held:
        from polypod.kube import checkpoint, pod_resources

        socket = self.kubelet / "pod-resources" / "kubelet.sock"
        try:
            if socket.exists():
                return pod_resources.ask(socket, namespace, name)
            return pod_resources.Held(devices=checkpoint.read(self.checkpoint, uid))
        except PolypodError as error:
            error.cause = f"failed to get a ResourceClient instance: {error.cause}"
            raise

    def _claimed(self, claims: tuple[Claim, ...]) -> list[tuple[str, str]]:
        """Return (resource, device) of every claim; its name stands for its CDI devices too."""
        from polypod.kube.claims import Claims

        found = [(claim.name, device) for claim in claims for device in claim.devices]
        if claims and self.client is not None:
            reader = Claims(self.client, self.node)
            try:
                found += [pair for claim in claims for pair in reader.devices(claim)]
            except PolypodError as error:
                error.cause = f"failed to get resourceMap from DRA client: {error.cause}"
                raise
        return found
