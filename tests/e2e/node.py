"""One node: containerd with runc, the daemon, and the shim where the runtime looks for it.

Everything lies below one folder and in the namespaces that `./dev e2e` made.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import sys
from pathlib import Path
from typing import Any

import yaml
from cluster.containerd import Containerd
from tests.e2e import image
from tests.e2e.cri import POD_IMAGE, PodName, Runtime
from tests.e2e.programs import Program, output

from polypod.errors import PolypodError
from polypod.store.journal import SqliteJournal

CGROUP = "polypod-e2e-"
POLYPOD = str(Path(sys.executable).with_name("polypod"))
SHIM_WAIT_MS = 4000
"""How long an ADD waits for a daemon that is away; 20 seconds where nobody sets it."""
PRIMARY: dict[str, Any] = {
    "cniVersion": "1.0.0",
    "name": "cluster",
    "plugins": [
        {
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": True,
            "ipMasq": True,
            "ipMasqBackend": "nftables",
            "ipam": {
                "type": "host-local",
                "subnet": "10.88.0.0/16",
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        },
    ],
}


class Node:
    """Paths, programs and manifests of the node."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("bin", "net.d", "manifests", "status", "plugins", "logs"):
            (root / name).mkdir(parents=True)
        self.cgroup = f"/{CGROUP}{secrets.token_hex(4)}"
        self.socket = root / "polypod.sock"
        self.state = root / "state"
        self.spool = self.state / "spool"
        self.leases = root / "data" / "networks"
        self.runtime = Runtime(root / "containerd.sock", root / "logs", self.cgroup)
        self.daemon = Program("daemon", self._daemon_command(), root / "logs" / "daemon.log")
        self.containerd = Program(
            "containerd",
            ["containerd", "--config", str(root / "containerd.toml"), "--log-level", "info"],
            root / "logs" / "containerd.log",
            {
                "POLYPOD_SOCKET": str(self.socket),
                "POLYPOD_SPOOL": str(self.spool),
                "POLYPOD_WAIT_MS": str(SHIM_WAIT_MS),
            },
        )

        self.programs = [self.daemon, self.containerd]
        """Those whose logs are shown with a failure."""

    def _daemon_command(self) -> list[str]:
        root = self.root
        options = {
            "--socket": self.socket,
            "--state": self.state,
            "--manifests": root / "manifests",
            "--status": root / "status",
            "--primary": root / "primary.conflist",
            "--data-root": root / "data",
            "--path": root / "plugins",
        }
        return [POLYPOD, "daemon", *(str(word) for pair in options.items() for word in pair)]

    # --- life --------------------------------------------------------------------------------

    def start(self) -> None:
        """Place the shim, start both programs and give the runtime its image.

        The links are for containerd, which asks a plugin named `loopback` to bring that up.
        """
        output(POLYPOD, "install", "shim", str(self.root / "bin"), "--links")
        (self.root / "primary.conflist").write_text(json.dumps(PRIMARY))
        called = {"cniVersion": "1.0.0", "name": "polypod", "plugins": [{"type": "polypod"}]}
        (self.root / "net.d" / "00-polypod.conflist").write_text(json.dumps(called))
        runtime = Containerd(
            root=self.root,
            sandbox_image=POD_IMAGE,
            cni_bin=self.root / "bin",
            cni_conf=self.root / "net.d",
        )
        (self.root / "containerd.toml").write_text(runtime.config())
        self.start_daemon()
        self.containerd.start()
        self.containerd.wait_until(self._runtime_answers, "answers the CRI", 60)
        program = image.program(self.root / "pod")
        archive = image.archive(program, POD_IMAGE, self.root / "pod.tar")
        self.ctr("images", "import", str(archive))

    def start_daemon(self) -> None:
        """Start the daemon and wait until it serves."""
        self.daemon.start()
        self.daemon.wait_until(lambda: is_served(self.socket), "serves")

    def stop(self) -> None:
        """End pods that a failed case left, both programs, and the cgroup the pods were in."""
        with contextlib.suppress(PolypodError):  # it may be the one that does not run
            self.runtime.end_pods()
        self.containerd.stop()
        self.daemon.stop()
        sweep_cgroups()

    def ctr(self, *words: str) -> str:
        """Run containerd's own command line in the namespace of the CRI."""
        return output("ctr", "-a", str(self.runtime.socket), "-n", "k8s.io", *words)

    def _runtime_answers(self) -> bool:
        try:
            return self.runtime.version().startswith("containerd")
        except PolypodError:
            return False

    # --- manifests ---------------------------------------------------------------------------

    def network(self, name: str, *plugins: dict[str, Any], version: str = "1.0.0") -> None:
        """Write a NetworkAttachmentDefinition whose configuration is a list of plugins."""
        config = {"cniVersion": version, "name": name, "plugins": list(plugins)}
        self._write(
            f"net-{name}",
            {
                "apiVersion": "k8s.cni.cncf.io/v1",
                "kind": "NetworkAttachmentDefinition",
                "metadata": {"name": name, "namespace": "default"},
                "spec": {"config": json.dumps(config)},
            },
        )

    def pod(self, name: str, networks: str | list[dict[str, Any]], **annotations: str) -> PodName:
        """Write a Pod manifest and return what the kubelet would say of it."""
        text = networks if isinstance(networks, str) else json.dumps(networks)
        identity = PodName(name=name, uid=f"uid-of-default-{name}")
        metadata = {
            "name": name,
            "namespace": "default",
            "uid": identity.uid,
            "annotations": {"k8s.v1.cni.cncf.io/networks": text, **annotations},
        }
        self._write(f"pod-{name}", {"apiVersion": "v1", "kind": "Pod", "metadata": metadata})
        return identity

    def _write(self, name: str, document: dict[str, Any]) -> None:
        fresh = self.root / "manifests" / f".{name}.new"
        fresh.write_text(yaml.safe_dump(document))
        fresh.rename(self.root / "manifests" / f"{name}.yaml")

    # --- what the node says ------------------------------------------------------------------

    def status_of(self, pod: PodName) -> list[dict[str, Any]]:
        """Return a pod's network-status."""
        path = self.root / "status" / pod.namespace / f"{pod.name}.json"
        found: list[dict[str, Any]] = json.loads(path.read_text())
        return found

    def rows(self) -> list[str]:
        """Return the journal's rows as (container, interface)."""
        journal = SqliteJournal(self.state / "journal.db", read_only=True)
        found = [f"{record.container_id} {record.ifname}" for record in journal.all()]
        journal.close()
        return found

    def attachments(self) -> list[dict[str, Any]]:
        """Return what `polypod ps` lists."""
        said = output(POLYPOD, "ps", "--state", str(self.state), "-o", "json")
        found: list[dict[str, Any]] = json.loads(said)
        return found


def sweep_cgroups() -> None:
    """Remove the cgroups of pods that have ended, also those of a run that was killed."""
    root = Path("/sys/fs/cgroup")  # version 2, or a folder for each controller below
    for top in (*root.glob(f"{CGROUP}*"), *root.glob(f"*/{CGROUP}*")):
        for folder, _, _ in os.walk(top, topdown=False):
            with contextlib.suppress(OSError):  # in use
                os.rmdir(folder)


def is_served(path: Path) -> bool:
    """Tell whether somebody listens at a socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
