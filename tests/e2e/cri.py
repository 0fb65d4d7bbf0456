"""The calls of the container runtime interface that start, ask and end a pod (CRI v1)."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from polypod.errors import RpcError
from polypod.kube import grpc
from polypod.kube.protobuf import messages, parse, render, text

SERVICE = "/runtime.v1.RuntimeService/"
POD_IMAGE = "localhost/pod:1"
OWN_PROCESSES = render((2, 1))
"""NamespaceOption: process ids are the container's own, as the kubelet has it by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodName:
    """What the kubelet says of a pod."""

    name: str
    namespace: str = "default"
    uid: str = ""
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class Runtime:
    """A container runtime at its socket."""

    socket: Path
    logs: Path
    cgroup: str

    def version(self) -> str:
        """Return the runtime's name and version."""
        answer = parse(self._call("Version", b"", timeout_s=5))
        return f"{text(answer, 2)} {text(answer, 3)}"

    def has_network(self) -> bool:
        """Tell whether the runtime says that pods can have networks."""
        status = parse(_bytes(parse(self._call("Status", b""))[1][-1]))
        said = {text(one, 1): one.get(2, [0])[-1] for one in messages(status, 1)}
        return said["NetworkReady"] == 1

    def run_pod(self, pod: PodName, *, timeout_s: float = 60) -> str:
        """Start a sandbox, networks included, and return its id."""
        answer = self._call("RunPodSandbox", render((1, self._config(pod))), timeout_s=timeout_s)
        return text(parse(answer), 1)

    def start_container(self, pod: PodName, sandbox: str) -> str:
        """Start the image's program in a sandbox and return the container's id."""
        config = render(
            (1, render((1, "main"))),
            (2, render((1, POD_IMAGE), (18, POD_IMAGE))),  # resolved, and as the pod names it
            (3, "/pod"),
            (11, "main.log"),
            (15, render((2, render((3, OWN_PROCESSES))))),
        )
        answer = self._call(
            "CreateContainer", render((1, sandbox), (2, config), (3, self._config(pod)))
        )
        container = text(parse(answer), 1)
        self._call("StartContainer", render((1, container)))
        return container

    def execute(self, container: str, *command: str) -> str:
        """Run a command in a container and return what it prints."""
        words = [(2, word) for word in command]
        answer = parse(self._call("ExecSync", render((1, container), *words, (3, 10))))
        code = answer[3][-1] if answer.get(3) else 0
        assert code == 0, (command, code, text(answer, 2))
        return text(answer, 1)

    def address(self, sandbox: str) -> str:
        """Return the address that the runtime tells the kubelet."""
        answer = parse(self._call("PodSandboxStatus", render((1, sandbox))))
        status = parse(_bytes(answer[1][-1]))
        return text(parse(_bytes(status[5][-1])), 1)

    def sandboxes(self) -> list[str]:
        """Return the ids of all sandboxes, ready or not."""
        answer = parse(self._call("ListPodSandbox", b""))
        return [text(parse(_bytes(item)), 1) for item in answer.get(1, [])]

    def stop_pod(self, sandbox: str, *, timeout_s: float = 60) -> None:
        """End a sandbox's processes and take its networks away."""
        self._call("StopPodSandbox", render((1, sandbox)), timeout_s=timeout_s)

    def remove_pod(self, sandbox: str) -> None:
        """Forget a sandbox."""
        self._call("RemovePodSandbox", render((1, sandbox)))

    def end_pods(self) -> None:
        """Stop and remove every pod that can be."""
        for sandbox in self.sandboxes():
            with contextlib.suppress(RpcError):
                self.stop_pod(sandbox)
                self.remove_pod(sandbox)

    def _config(self, pod: PodName) -> bytes:
        uid = pod.uid or f"uid-of-{pod.namespace}-{pod.name}"
        metadata = render((1, pod.name), (2, uid), (3, pod.namespace), (4, pod.attempt))
        return render(
            (1, metadata),
            (2, pod.name),
            (3, str(self.logs / pod.name)),
            (8, render((1, self.cgroup), (2, render((1, OWN_PROCESSES))))),
        )

    def _call(self, method: str, message: bytes, *, timeout_s: float = 30) -> bytes:
        return grpc.call(self.socket, SERVICE + method, message, timeout_s=timeout_s)


def _bytes(value: int | bytes) -> bytes:
    assert isinstance(value, bytes)
    return value
