"""podman as a user has it, our links its only plugins; all that it keeps lies below one folder.

It calls the links itself, and by the clean-up that a container's monitor (conmon) starts when the
container ends. A monitor's environment is what the settings say, not podman's.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import Any

from tests.e2e.cri import POD_IMAGE
from tests.e2e.node import Node
from tests.e2e.programs import wait_until

NO_CNI = "cni support is not enabled in this build"


class PodmanError(Exception):
    """What podman printed when it failed."""


class Podman:
    """One podman: its settings, its storage and its networks."""

    def __init__(self, node: Node) -> None:
        root = node.root / "podman"
        (root / "net.d").mkdir(parents=True)
        self._networks = root / "net.d"
        self._cgroup = node.cgroup
        self._environment = {
            **os.environ,
            **node.containerd.environment,
            "CONTAINERS_CONF": str(root / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(root / "storage.conf"),
        }
        monitors = {"PATH": os.environ["PATH"], **node.containerd.environment}
        (root / "containers.conf").write_text(f"""\
[network]
network_backend = "cni"
cni_plugin_dirs = ["{node.root / "bin"}"]
network_config_dir = "{root / "net.d"}"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "none"
lock_type = "file"  # else in the machine's /dev/shm
tmp_dir = "{root / "tmp"}"
conmon_env_vars = {json.dumps([f"{name}={value}" for name, value in monitors.items()])}
[containers]
log_driver = "k8s-file"
""")
        (root / "storage.conf").write_text(f"""\
[storage]
driver = "vfs"
graphroot = "{root / "graph"}"
runroot = "{root / "run"}"
""")

    def __call__(self, *words: str) -> str:
        """Run a command to its end and return what it prints.

        Raises:
            PodmanError: it failed.
        """
        done = subprocess.run(
            ["podman", *words],
            capture_output=True,
            text=True,
            env=self._environment,
            timeout=30,
            check=False,
        )
        if done.returncode != 0:
            raise PodmanError(done.stderr)
        return done.stdout

    def network(self, name: str, *plugins: dict[str, Any]) -> None:
        """Write a network's configuration, in the version that podman itself writes."""
        config = {"cniVersion": "0.4.0", "name": name, "plugins": list(plugins)}
        (self._networks / f"{name}.conflist").write_text(json.dumps(config))

    @contextlib.contextmanager
    def container(self, name: str, networks: str, *arguments: str) -> Generator[None]:
        """Create a container, which the caller starts; at the end it and its monitor have to go."""
        place = ("--name", name, "--network", networks, "--cgroup-parent", self._cgroup)
        self("create", *place, POD_IMAGE, *arguments)
        try:
            yield
        finally:
            self("rm", "--force", "--time", "1", name)
            wait_until(lambda: not _processes(), "podman and its monitors end")

    def addresses(self, name: str) -> dict[str, str]:
        """Return the addresses that podman says a container has, by network."""
        said = self("inspect", "--format", "{{json .NetworkSettings.Networks}}", name)
        return {network: str(one["IPAddress"]) for network, one in json.loads(said).items()}


def _processes() -> list[str]:
    """Return podman's processes; there are no others of these names in our namespace."""
    found: list[str] = []
    for path in Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):  # it has ended since
            found.append(path.read_text().strip())
    return [name for name in found if name in {"podman", "conmon"}]
