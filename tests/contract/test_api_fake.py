"""The API server in memory keeps the contract; tests/control_plane has it on a real one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.contract.api_suite import NODE, ApiContract, ApiLab
from tests.contract.claims_suite import ClaimsContract

from polypod.kube.cache import ApiSource
from polypod.kube.client import Client
from polypod.testing.api_server import FakeApiServer


class TestApiServerInMemory(ApiContract, ClaimsContract):
    @pytest.fixture
    def api(self) -> Iterator[ApiLab]:
        with FakeApiServer() as server:
            yield server


@pytest.fixture
def server() -> Iterator[FakeApiServer]:
    with FakeApiServer() as made:
        yield made


@pytest.fixture
def source(server: FakeApiServer) -> Iterator[ApiSource]:
    client = Client(server.access)
    yield ApiSource(client, NODE)
    client.close()


@pytest.mark.parametrize("name", ["..", "a/../b", "a?x=1", "A", "", "a%2fb", "a\n"])
def test_names_that_no_object_can_have_are_not_asked_for(
    name: str, server: FakeApiServer, source: ApiSource
) -> None:
    assert source.pod("default", name) is None
    assert source.definition(name, "net") is None

    assert server.requests == []
