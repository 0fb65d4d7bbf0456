"""The calls of the container runtime interface that start, ask and end a pod (CRI v1)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from polypod.kube import grpc
from polypod.kube.protobuf import parse, render, text

SERVICE = "/runtime.v1.RuntimeService/"
POD_IMAGE = "localhost/pod:1"


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

    def run_pod(self, pod: PodName, *, timeout_s: float = 60) -> str:
        """Start a sandbox, networks included, and return its id."""
        answer = self._call("RunPodSandbox", render((1, self._config(pod))), timeout_s=timeout_s)
        return text(parse(answer), 1)

    def start_container(self, pod: PodName, sandbox: str) -> str:
        """Start the image's program in a sandbox and return the container's id."""
        config = render(
            (1, render((1, "main"))),
            (2, render((1, POD_IMAGE))),
            (3, "/pod"),
            (11, "main.log"),
            (15, b""),
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

    def _config(self, pod: PodName) -> bytes:
        uid = pod.uid or f"uid-of-{pod.namespace}-{pod.name}"
        metadata = render((1, pod.name), (2, uid), (3, pod.namespace), (4, pod.attempt))
        return render(
            (1, metadata),
            (2, pod.name),
            (3, str(self.logs / pod.name)),
            (8, render((1, self.cgroup))),
        )

    def _call(self, method: str, message: bytes, *, timeout_s: float = 30) -> bytes:
        return grpc.call(self.socket, SERVICE + method, message, timeout_s=timeout_s)


def _bytes(value: int | bytes) -> bytes:
    assert isinstance(value, bytes)
    return value
