"""What the hostile cases share: an ADD that must fail, be told with a hint, and leave nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from polypod.engine.doors import Settings
from polypod.errors import PolypodError
from polypod.testing.node import Node, Sandbox

PRIMARY = b'{"cniVersion":"1.0.0","name":"primary","type":"bridge","bridge":"cni0"}'
GOOD = {
    "cniVersion": "1.0.0",
    "name": "good",
    "type": "bridge",
    "bridge": "br-good",
    "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.9.0.0/24"}]]},
}


def made(*, isolation: bool = True) -> Node:
    """Return a node whose pods have a primary and a harmless network."""
    node = Node(settings=Settings(boot_id="boot-1", namespace_isolation=isolation))
    node.networks.raw = PRIMARY
    node.source.add_definition("test", "good", json.dumps(GOOD))
    return node


def refused(node: Node, pod: Sandbox, config: Mapping[str, object] | None = None) -> PolypodError:
    """Run the pod's ADD, see that it fails as it should, and return the error."""
    before = private(node)

    with pytest.raises(PolypodError) as raised:
        node.add(pod) if config is None else node.add(pod, config)

    error = raised.value
    assert error.slug != "internal" and error.code in {1, 2, 4, 5, 6, 7, 8, 11, 999}
    assert node.journal.all() == ()
    assert node.pools.held() == {}
    assert node.status.texts == {}
    assert private(node) == before
    if error.slug != "try-again":
        (told,) = node.events.told
        assert told.is_warning and "hint: " in told.message
        assert told.pod == f"{pod.namespace}/{pod.pod}"
    return error


def private(node: Node) -> object:
    """Return what a pod must not leave behind: bridges belong to nobody alone, and stay."""
    host = node.world.host
    return (
        sorted(name for name, link in host.links.items() if link.kind != "bridge"),
        {path: sorted(space.links) for path, space in node.world.sandboxes.items()},
        set(node.world.rules),
    )
