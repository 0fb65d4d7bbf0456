"""A real kube-apiserver keeps the contract that the one in memory keeps."""

from __future__ import annotations

import pytest
from cluster import pki
from cluster.place import Place
from tests.contract.api_suite import SOON_S, ApiContract, ApiLab, pod
from tests.contract.claims_suite import ClaimsContract
from tests.control_plane.lab import RealLab

from polypod.errors import ApiError
from polypod.kube import kubeconfig
from polypod.kube.client import Client
from polypod.kube.status_patches import StatusPatches
from polypod.testing.api_http import PODS


class TestRealApiServer(ApiContract, ClaimsContract):
    @pytest.fixture
    def api(self, lab: RealLab) -> ApiLab:
        return lab


def test_who_may_not_write_the_status_is_told_so(lab: RealLab, place: Place) -> None:
    lab.put(PODS, pod("a"))
    client = Client(kubeconfig.read(pki.kubeconfig(place.pki, "proxy")))
    patches = StatusPatches(client)
    patches.start()

    with pytest.raises(ApiError, match="error setting the networks status") as refused:
        patches.write_now("default", "a", "[]")

    assert refused.value.status == 403
    assert "token" not in refused.value.cause
    assert patches.stop(SOON_S)
    client.close()
