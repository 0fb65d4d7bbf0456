"""Two drivers for devices that are not there: a device plugin, and one for dynamic resources.

Both register with the real kubelet, as drivers of network cards do, and answer what it asks. What
it then says of a pod's devices is its own word.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.kube import soon
from tests.grpc_server import Endless, GrpcServer, Method

from polypod.kube import grpc
from polypod.kube.devices import CHECKPOINT
from polypod.kube.protobuf import Fields, messages, parse, render, text, texts

_PLUGIN = "/v1beta1.DevicePlugin/"
_REGISTRATION = "/pluginregistration.Registration/"
_DRA = "/k8s.io.kubelet.pkg.apis.dra.v1.DRAPlugin/"


@contextmanager
def device_plugin(resource: str, *devices: str) -> Generator[None]:
    """Offer devices of a resource for the length of a block."""
    folder, name = CHECKPOINT.parent, f"{resource.replace('/', '-')}.sock"
    (folder / name).unlink(missing_ok=True)
    listed = render(*((1, render((1, one), (2, "Healthy"))) for one in devices))

    def allocate(message: bytes) -> bytes:
        asked = messages(parse(message), 1)
        assert all(set(texts(one, 1)) <= set(devices) for one in asked)
        return render(*((1, b"") for _ in asked))

    methods: dict[str, Method] = {
        f"{_PLUGIN}GetDevicePluginOptions": lambda _: b"",
        f"{_PLUGIN}ListAndWatch": lambda _: Endless(listed),
        f"{_PLUGIN}Allocate": allocate,
    }
    with GrpcServer(folder / name, methods):
        told = render((1, "v1beta1"), (2, name), (3, resource), (4, b""))
        method = "/v1beta1.Registration/Register"
        grpc.call(folder / "kubelet.sock", method, told, timeout_s=10)
        yield
    (folder / name).unlink(missing_ok=True)


@contextmanager
def dynamic_driver(kubelet: Path, driver: str, pool: str) -> Generator[None]:
    """Prepare every claim with the devices of its allocation, named by the request `nic`."""
    place = kubelet / "plugins" / driver
    place.mkdir(parents=True, exist_ok=True)
    info = render((1, "DRAPlugin"), (2, driver), (3, str(place / "dra.sock")), (4, "v1.DRAPlugin"))
    registered: list[bytes] = []

    def note(message: bytes) -> bytes:
        registered.append(message)
        return b""

    def prepare(message: bytes) -> bytes:
        device = render((1, "nic"), (2, pool), (3, "card-1"))
        return render(*((1, _entry(one, render((1, device)))) for one in _claims(message)))

    def unprepare(message: bytes) -> bytes:
        return render(*((1, _entry(one, b"")) for one in _claims(message)))

    registration: dict[str, Method] = {
        f"{_REGISTRATION}GetInfo": lambda _: info,
        f"{_REGISTRATION}NotifyRegistrationStatus": note,
    }
    serving: dict[str, Method] = {
        f"{_DRA}NodePrepareResources": prepare,
        f"{_DRA}NodeUnprepareResources": unprepare,
    }
    socket = kubelet / "plugins_registry" / f"{driver}-reg.sock"
    with GrpcServer(place / "dra.sock", serving), GrpcServer(socket, registration):
        soon(lambda: bool(registered), "the kubelet's word on the driver")
        assert registered[0] == render((1, 1)), registered
        yield
        socket.unlink()
    (place / "dra.sock").unlink()


def _claims(message: bytes) -> list[Fields]:
    return messages(parse(message), 1)


def _entry(claim: Fields, answer: bytes) -> bytes:
    return render((1, text(claim, 2)), (2, answer))
