"""What tests of verbs share: a cluster that can be asked what it is."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml


@dataclass
class SmallCluster:
    """One Talos node with Cilium; it refuses everything when told to."""

    kubeconfig: Path
    asked: list[str] = field(default_factory=list[str])
    code: int = 200
    system: str = "Talos (v1.13.2)"

    def answer(self, path: str) -> bytes:
        self.asked.append(path)
        item: dict[str, Any] = {"metadata": {"name": "cilium", "namespace": "kube-system"}}
        if "nodes" in path:
            system = {"osImage": self.system, "kubeletVersion": "v1.34.1"}
            item = {"metadata": {"name": "n"}, "status": {"nodeInfo": system}}
        return json.dumps({"items": [item]}).encode()


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallCluster]:
    """Serve a cluster, and make it the one that kubectl would ask."""
    made = SmallCluster(tmp_path / "config")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = made.answer(self.path)
            self.send_response(made.code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - inherited
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    text = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": address}}],
        "users": [{"name": "u", "user": {}}],
    }
    made.kubeconfig.write_text(yaml.safe_dump(text))
    monkeypatch.setenv("KUBECONFIG", str(made.kubeconfig))
    yield made
    server.shutdown()
    thread.join()
    server.server_close()
