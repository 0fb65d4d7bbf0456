"""Claims for dynamic resources: one suite, for the API server in memory and a real one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.contract.api_suite import NODE, ApiLab

from polypod.errors import ApiError, TryAgainError
from polypod.kube.claims import Claims
from polypod.kube.client import Client
from polypod.kube.pod_resources import Claim
from polypod.testing.api_http import CLAIMS, SLICES, Table

DRIVER, POOL = "nic.example.com", "cards"
RESOURCE = "example.com/nic"


def card(name: str, **attributes: str) -> Table:
    """Return a device of a slice."""
    told = {f"k8s.cni.cncf.io/{key}": {"string": value} for key, value in attributes.items()}
    return {"name": name, "attributes": {**told, "speed": {"int": 25}, "up": {"bool": True}}}


def slice_of(name: str, *devices: Table, node: str = NODE, generation: int = 1) -> Table:
    """Return a slice of a node's pool."""
    pool = {"name": POOL, "generation": generation, "resourceSliceCount": 1}
    spec = {"driver": DRIVER, "pool": pool, "nodeName": node, "devices": list(devices)}
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceSlice",
        "metadata": {"name": name},
        "spec": spec,
    }


def claim(name: str, *devices: str) -> Table:
    """Return a claim; with devices it is allocated."""
    exactly = {"deviceClassName": DRIVER, "allocationMode": "ExactCount", "count": 2}
    results = [
        {"request": "nic", "driver": DRIVER, "pool": POOL, "device": device} for device in devices
    ]
    found: Table = {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaim",
        "metadata": {"namespace": "default", "name": name},
        "spec": {"devices": {"requests": [{"name": "nic", "exactly": exactly}]}},
    }
    return found | (
        {"status": {"allocation": {"devices": {"results": results}}}} if results else {}
    )


class ClaimsContract:
    """What the API server says of claims and slices, as far as somebody here counts on it."""

    @pytest.fixture
    def claims(self, api: ApiLab) -> Iterator[Claims]:
        client = Client(api.access)
        yield Claims(client, NODE)
        client.close()

    def test_a_claims_devices_are_found_in_the_slices_of_its_node(
        self, api: ApiLab, claims: Claims
    ) -> None:
        api.put(
            SLICES, slice_of("here", card("c1", resourceName=RESOURCE, deviceID="0000:08:00.3"))
        )
        api.put(
            SLICES, slice_of("there", card("c2", resourceName=RESOURCE, deviceID="no"), node="b")
        )
        api.put(CLAIMS, claim("mine", "c1", "c2"))

        found = list(claims.devices(Claim(namespace="default", name="mine")))

        assert found == [(RESOURCE, "0000:08:00.3")]

    def test_more_slices_than_a_page_holds_are_all_looked_at(
        self, api: ApiLab, claims: Claims, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("polypod.kube.claims.PAGE", 2)
        for number in range(5):
            device = card(f"c{number}", resourceName=RESOURCE, deviceID=f"d{number}")
            api.put(SLICES, slice_of(f"s{number}", device))
        api.put(CLAIMS, claim("mine", "c4", "c0"))

        found = list(claims.devices(Claim(namespace="default", name="mine")))

        assert found == [(RESOURCE, "d4"), (RESOURCE, "d0")]

    def test_a_claim_without_allocation_is_a_passing_condition(
        self, api: ApiLab, claims: Claims
    ) -> None:
        api.put(CLAIMS, claim("mine"))

        with pytest.raises(TryAgainError, match="claim mine has no device allocation"):
            list(claims.devices(Claim(namespace="default", name="mine")))

    def test_a_claim_that_is_not_there_is_404(self, api: ApiLab, claims: Claims) -> None:
        del api

        with pytest.raises(ApiError, match="not found") as refused:
            list(claims.devices(Claim(namespace="default", name="none")))

        assert refused.value.status == 404
