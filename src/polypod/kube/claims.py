"""Dynamic resources (`resource.k8s.io/v1`): which network devices the claims of a pod stand for.

A claim's allocation names devices by driver, pool and name; the drivers' ResourceSlices give each
its attributes, two of which are the network plumbing's: the device's id, and the resource by which
a network asks for it. One Claims serves one call, and asks for nothing twice.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

import msgspec

from polypod.errors import DecodeError, TryAgainError
from polypod.kube.client import Client, Query
from polypod.kube.pod_resources import Claim

log = logging.getLogger("polypod.kube")
GROUP = "/apis/resource.k8s.io/v1"
DEVICE_ID = "k8s.cni.cncf.io/deviceID"
RESOURCE_NAME = "k8s.cni.cncf.io/resourceName"
TOTAL_S = 20.0
PAGE = 200
T = TypeVar("T")


class _Result(msgspec.Struct):
    driver: str
    pool: str
    device: str


class _Devices(msgspec.Struct):
    results: list[_Result] | None = None


class _Allocation(msgspec.Struct):
    devices: _Devices | None = None


class _ClaimStatus(msgspec.Struct):
    allocation: _Allocation | None = None


class _ClaimObject(msgspec.Struct):
    status: _ClaimStatus | None = None


class _Attribute(msgspec.Struct):
    string: str | None = None


class _Device(msgspec.Struct):
    name: str
    attributes: dict[str, _Attribute] | None = None


class _Pool(msgspec.Struct):
    name: str
    generation: int = 0


class _Spec(msgspec.Struct):
    driver: str
    pool: _Pool
    devices: list[_Device] | None = None


class _Slice(msgspec.Struct):
    spec: _Spec


class _Page(msgspec.Struct):
    token: str | None = msgspec.field(name="continue", default=None)


class _Slices(msgspec.Struct):
    items: list[_Slice] | None = None
    metadata: _Page | None = None


Pools: TypeAlias = dict[tuple[str, str], _Device]
"""A driver's devices by pool and name."""


@dataclass(slots=True)
class Claims:
    """Reads claims and slices for one call."""

    client: Client
    node: str
    clock: Callable[[], float] = time.monotonic
    _deadline: float = 0.0
    _claims: dict[tuple[str, str], list[_Result]] = field(
        default_factory=dict[tuple[str, str], list[_Result]]
    )
    _drivers: dict[str, Pools] = field(default_factory=dict[str, Pools])

    def __post_init__(self) -> None:
        """Give all questions together so much time."""
        self._deadline = self.clock() + TOTAL_S

    def devices(self, claim: Claim) -> Iterator[tuple[str, str]]:
        """Yield resource name and device id of each network device of a claim.

        Raises:
            ApiError: there is no such claim, or the server refused.
            TryAgainError: the claim is not allocated, or the server does not answer.
            DecodeError: an answer makes no sense.
        """
        for result in self._results(claim.namespace, claim.name):
            found = self._pools(result.driver).get((result.pool, result.device))
            resource, device = _text(found, RESOURCE_NAME), _text(found, DEVICE_ID)
            if resource and device:
                yield resource, device
            else:  # a graphics card, say
                log.info(
                    "devices.not_a_network claim=%s/%s driver=%s device=%s listed=%s",
                    claim.namespace,
                    claim.name,
                    result.driver,
                    result.device,
                    found is not None,
                )

    def _results(self, namespace: str, name: str) -> list[_Result]:
        key = namespace, name
        if key not in self._claims:
            path = f"{GROUP}/namespaces/{namespace}/resourceclaims/{name}"
            status = self._get(Query(path=path), _ClaimObject).status
            allocation = status.allocation if status else None
            results = allocation.devices.results if allocation and allocation.devices else None
            if not results:
                raise TryAgainError(
                    f"claim {name} has no device allocation",
                    hint=f"look at the status of resourceclaim {namespace}/{name}",
                )
            self._claims[key] = results
        return self._claims[key]

    def _pools(self, driver: str) -> Pools:
        if driver not in self._drivers:
            # Of a pool that was published again, the newer devices win.
            slices = sorted(self._slices(driver), key=lambda one: one.spec.pool.generation)
            self._drivers[driver] = {
                (one.spec.pool.name, device.name): device
                for one in slices
                for device in one.spec.devices or ()
            }
        return self._drivers[driver]

    def _slices(self, driver: str) -> Iterator[_Slice]:
        node = f"spec.nodeName={self.node}," if self.node else ""
        chosen = (("fieldSelector", f"{node}spec.driver={driver}"), ("limit", str(PAGE)))
        token = ""
        while True:
            more = (("continue", token),) if token else ()
            query = Query(path=f"{GROUP}/resourceslices", parameters=(*chosen, *more))
            page = self._get(query, _Slices)
            yield from page.items or ()
            token = (page.metadata.token if page.metadata else None) or ""
            if not token:
                return

    def _get(self, query: Query, kind: type[T]) -> T:
        left = self._deadline - self.clock()
        if left <= 0:
            raise TryAgainError(f"API server: dynamic resources took longer than {TOTAL_S:g} s")
        try:
            return msgspec.json.decode(self.client.get(query, timeout_s=left), type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise DecodeError(f"API server: {query.path} is not readable: {error}") from error


def _text(device: _Device | None, name: str) -> str:
    found = (device.attributes or {}).get(name) if device else None
    return (found.string or "") if found else ""
