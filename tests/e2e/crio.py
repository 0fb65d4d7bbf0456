"""CRI-O with a configuration of its own, beside the node's containerd; one daemon serves both.

Its network configuration is of CNI 1.1.0, and so the daemon sees all verbs: CRI-O asks STATUS until
it is answered, CHECK after each ADD, and GC when it starts.

This machine may lack CAP_SYS_RESOURCE. Then no process may be shielded from the kernel's killer as
CRI-O shields a pod's first one, but it starts none (`drop_infra_ctr`) for a pod whose containers
have process ids of their own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.e2e.build_crio import CRIO, PINNS
from tests.e2e.cri import POD_IMAGE, Runtime
from tests.e2e.node import POLYPOD, Node
from tests.e2e.programs import Program, output

from polypod.errors import PolypodError

FOLDERS = ("net.d", "bin", "policies", "hooks", "cdi")
ANY_IMAGE = {"default": [{"type": "insecureAcceptAnything"}]}
NAMESPACES = ("netns", "ipcns", "utsns", "userns")
PODMAN = """\
[engine]
lock_type = "file"  # else in the machine's /dev/shm
events_logger = "none"
"""


class Crio:
    """One CRI-O: its settings, its storage, its pods."""

    def __init__(self, node: Node) -> None:
        self.root = root = node.root / "crio"
        for name in FOLDERS:
            (root / name).mkdir(parents=True)
        self.networks = root / "net.d"
        self.plugins = (root / "bin", node.root / "plugins")
        self._archive = node.root / "pod.tar"
        self.runtime = Runtime(root / "sock", node.root / "logs", node.cgroup)
        self.program = Program(
            "CRI-O",
            [str(CRIO), "--config", str(root / "crio.conf"), "--config-dir", str(root / "none")],
            root / "log",
            node.containerd.environment,
        )

    def install(self) -> None:
        """Place the shim and the configuration that calls it."""
        output(POLYPOD, "install", "shim", str(self.plugins[0]))
        called = {"cniVersion": "1.1.0", "name": "polypod", "plugins": [{"type": "polypod"}]}
        (self.networks / "00-polypod.conflist").write_text(json.dumps(called))

    def prepare(self) -> None:
        """Write its settings, and with podman the image into its storage."""
        root = self.root
        self.install()
        (root / "policy.json").write_text(json.dumps(ANY_IMAGE))
        (root / "crio.conf").write_text(self._config())
        (root / "podman.conf").write_text(f'{PODMAN}tmp_dir = "{root / "podman"}"\n')
        place = ("--root", root / "storage", "--runroot", root / "run", "--storage-driver", "vfs")
        subprocess.run(
            ["podman", *place, "load", "--quiet", "--input", self._archive],
            env={**os.environ, "CONTAINERS_CONF": str(root / "podman.conf")},
            timeout=60,
            check=True,
        )

    def start(self, *, is_ready: bool = True) -> None:
        """Start it and wait until it answers; that takes no plugin that does."""
        self.program.start()
        self.program.wait_until(self._answers, "answers the CRI", 60)
        if is_ready:
            self.program.wait_until(self.runtime.has_network, "has heard from its plugin")

    def remains(self) -> list[str]:
        """Return its pods, what keeps their namespaces, and the monitors of their containers."""
        return [*self.runtime.sandboxes(), *_namespaces(), *_monitors()]

    def _answers(self) -> bool:
        try:
            return self.runtime.version().startswith("cri-o")
        except PolypodError:
            return False

    def _config(self) -> str:
        root = self.root
        return f"""\
[crio]
root = "{root / "storage"}"
runroot = "{root / "run"}"
storage_driver = "vfs"
log_dir = "{root / "pods"}"
version_file = "{root / "version"}"
version_file_persist = "{root / "version-persist"}"
clean_shutdown_file = "{root / "clean.shutdown"}"
[crio.api]
listen = "{self.runtime.socket}"
[crio.runtime]
cgroup_manager = "cgroupfs"
conmon_cgroup = "pod"
conmon = "{shutil.which("conmon")}"
pinns_path = "{PINNS}"
drop_infra_ctr = true
apparmor_profile = ""
namespaces_dir = "/var/run"
container_exits_dir = "{root / "exits"}"
container_attach_socket_dir = "{root / "attach"}"
hooks_dir = ["{root / "hooks"}"]
cdi_spec_dirs = ["{root / "cdi"}"]
irqbalance_config_file = ""
enable_criu_support = false
default_runtime = "runc"
[crio.runtime.runtimes.runc]
runtime_path = "{shutil.which("runc")}"
runtime_root = "{root / "runc"}"
[crio.image]
pause_image = "{POD_IMAGE}"
signature_policy = "{root / "policy.json"}"
signature_policy_dir = "{root / "policies"}"
[crio.network]
network_dir = "{self.networks}/"
plugin_dirs = {json.dumps([str(folder) for folder in self.plugins])}
[crio.nri]
enable_nri = false
"""


def _namespaces() -> Iterator[str]:
    for kind in NAMESPACES:
        yield from (str(path) for path in Path("/run", kind).glob("*-*"))  # not what `ip` names


def _monitors() -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*/comm"):
        try:
            name = path.read_text().strip()
        except OSError:  # it has ended since
            continue
        if name == "conmon":
            yield f"{name} {path.parent.name}"
