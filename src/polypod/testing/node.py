"""One node in memory: a world, and every door to it.

A test describes networks and pods, calls a verb, and looks at the world: with a parent `eth1` in
`node.world`, a definition in `node.source` and `pod = node.add_pod("default", "p", networks="a")`,
`node.add(pod)` puts `net1` into `node.world.sandboxes[pod.netns].links`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from polypod.cni import request as cni_request
from polypod.cni.request import Request
from polypod.engine import attach, check, collect, detach, status
from polypod.engine.doors import Caller, Doors, Settings
from polypod.engine.resolve import NETWORKS
from polypod.testing.clock import FakeClock, Trace
from polypod.testing.devices import FakeDeviceFiles, FakeDevices
from polypod.testing.foreign import FakeForeign
from polypod.testing.kernel import FakeKernel
from polypod.testing.source import FakeEvents, FakeNetworks, FakeSource, FakeStatus
from polypod.testing.store import FakeBackups, FakeJournal, FakePools
from polypod.testing.world import World

CONFIG: Mapping[str, object] = {"cniVersion": "1.1.0", "name": "polypod", "type": "polypod"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """A pod's sandbox as the runtime speaks of it."""

    container_id: str
    netns: str
    namespace: str = ""
    pod: str = ""
    uid: str = ""
    ifname: str = "eth0"

    def request(
        self,
        command: str,
        config: Mapping[str, object] = CONFIG,
        extra: Mapping[str, str] | None = None,
    ) -> Request:
        """Return the runtime's call of a command."""
        given = {
            "IgnoreUnknown": "1",
            "K8S_POD_NAMESPACE": self.namespace,
            "K8S_POD_NAME": self.pod,
            "K8S_POD_INFRA_CONTAINER_ID": self.container_id,
            "K8S_POD_UID": self.uid,
            **(extra or {}),
        }
        environment = {
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": self.container_id,
            "CNI_NETNS": self.netns,
            "CNI_IFNAME": self.ifname,
            "CNI_PATH": "/opt/cni/bin",
            "CNI_ARGS": ";".join(f"{key}={value}" for key, value in given.items()),
        }
        return cni_request.parse(environment, json.dumps(config).encode())


@dataclass(slots=True)
class Node:
    """A node whose doors all lead into memory, and the verbs of the engine on it."""

    trace: Trace = field(default_factory=Trace)
    world: World = field(default_factory=World)
    clock: FakeClock = field(default_factory=FakeClock)
    settings: Settings = field(default_factory=lambda: Settings(boot_id="boot-1"))
    kernel: FakeKernel = field(init=False)
    journal: FakeJournal = field(init=False)
    pools: FakePools = field(init=False)
    backups: FakeBackups = field(default_factory=FakeBackups)
    foreign: FakeForeign = field(init=False)
    source: FakeSource = field(init=False)
    networks: FakeNetworks = field(init=False)
    status: FakeStatus = field(init=False)
    devices: FakeDevices = field(init=False)
    device_files: FakeDeviceFiles = field(init=False)
    events: FakeEvents = field(default_factory=FakeEvents)
    _seeds: int = 0

    def __post_init__(self) -> None:
        """Let every door write into one trace."""
        self.kernel = FakeKernel(self.world, self.trace)
        self.journal = FakeJournal(self.trace)
        self.pools = FakePools(self.trace)
        self.foreign = FakeForeign(self.trace)
        self.source = FakeSource(self.trace)
        self.networks = FakeNetworks(self.trace)
        self.status = FakeStatus(self.trace)
        self.devices = FakeDevices(self.trace)
        self.device_files = FakeDeviceFiles(self.trace)

    def doors(self) -> Doors:
        """Return everything the engine may reach."""
        return Doors(
            kernel=self.kernel,
            journal=self.journal,
            pools=self.pools,
            backups=self.backups,
            foreign=self.foreign,
            source=self.source,
            networks=self.networks,
            status=self.status,
            seed=self._seed,
            wall=self.clock.wall,
            monotonic=self.clock.monotonic,
            settings=self.settings,
            devices=self.devices,
            device_files=self.device_files,
            events=self.events,
        )

    def _seed(self) -> str:
        self._seeds += 1
        return f"{self._seeds:08x}"

    def add_pod(
        self,
        namespace: str,
        name: str,
        *,
        networks: str | None = None,
        uid: str = "",
        annotations: Mapping[str, str] | None = None,
    ) -> Sandbox:
        """Describe a pod, make its sandbox, and return how the runtime speaks of it."""
        told = {**(annotations or {}), **({} if networks is None else {NETWORKS: networks})}
        self.source.add_pod(namespace, name, uid=uid, annotations=told)
        return self.sandbox(name, namespace=namespace, pod=name, uid=uid)

    def sandbox(
        self, container_id: str, *, namespace: str = "", pod: str = "", uid: str = ""
    ) -> Sandbox:
        """Make a sandbox, for a pod or for nobody."""
        netns = f"/run/netns/{container_id}"
        self.world.sandbox(netns)
        return Sandbox(
            container_id=container_id, netns=netns, namespace=namespace, pod=pod, uid=uid
        )

    def add(self, sandbox: Sandbox, config: Mapping[str, object] = CONFIG) -> dict[str, object]:
        """Run ADD and return the answer.

        Raises:
            PolypodError: as engine.attach.
        """
        answer = attach.attach(sandbox.request("ADD", config), Caller(), self.doors())
        return dict(json.loads(answer))

    def delete(self, sandbox: Sandbox) -> None:
        """Run DEL.

        Raises:
            PolypodError: as engine.detach.
        """
        detach.detach(sandbox.request("DEL"), Caller(), self.doors())

    def check(self, sandbox: Sandbox) -> None:
        """Run CHECK.

        Raises:
            PolypodError: as engine.check.
        """
        check.check(sandbox.request("CHECK"), Caller(), self.doors())

    def collect(self, *valid: str, called: str = "polypod", key: str = "valid-attachments") -> None:
        """Run GC with the containers that are valid.

        Raises:
            PolypodError: as engine.collect.
        """
        listed = [{"containerID": one, "ifname": "eth0"} for one in valid]
        config = {**CONFIG, "name": called, f"cni.dev/{key}": listed}
        asked = Sandbox(container_id="", netns="").request("GC", config)
        collect.collect(asked, Caller(), self.doors())

    def recover(self) -> int:
        """Do what the daemon does when it starts; return how many containers were half made.

        Raises:
            PolypodError: as engine.collect.
        """
        return collect.recover(self.doors())

    def is_ready(self) -> None:
        """Run STATUS.

        Raises:
            UnavailableError: an ADD would not be served.
        """
        asked = Sandbox(container_id="", netns="").request("STATUS")
        status.status(asked, Caller(), self.doors())

    def reboot(self, boot_id: str) -> None:
        """Boot again: the kernel is empty, the disk is as it was."""
        self.world.reboot()
        self.settings = replace(self.settings, boot_id=boot_id)
