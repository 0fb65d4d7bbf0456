"""containerd's configuration: one folder, no CAP_SYS_RESOURCE, its CNI folders where we say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PRIMARY_RUNTIME = "primary"
"""A runtime handler whose pods have the primary network only, whatever lies in the CNI folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Containerd:
    """One containerd."""

    root: Path
    """Its own files, in `containerd/` below, and its socket."""
    sandbox_image: str
    cni_bin: Path
    cni_conf: Path
    cni_primary: Path | None = None
    """The folder of the PRIMARY_RUNTIME's configuration; None for a node without that handler."""
    metrics: str = ""
    """HOST:PORT of its metrics; none when empty."""

    @property
    def socket(self) -> Path:
        """Return where it listens."""
        return self.root / "containerd.sock"

    def config(self) -> str:
        """Return its configuration file."""
        home = self.root / "containerd"
        return f"""version = 2
root = "{home / "root"}"
state = "{home / "state"}"
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
  address = "{self.socket}"
[metrics]
  address = "{self.metrics}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{self.sandbox_image}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{self.cni_bin}"
    conf_dir = "{self.cni_conf}"
{self._handlers()}"""

    def _handlers(self) -> str:
        if self.cni_primary is None:
            return ""
        table = '[plugins."io.containerd.grpc.v1.cri".containerd.runtimes'
        kind = 'runtime_type = "io.containerd.runc.v2"'
        return f"""  {table}.runc]
    {kind}
  {table}.{PRIMARY_RUNTIME}]
    {kind}
    cni_conf_dir = "{self.cni_primary}"
"""
