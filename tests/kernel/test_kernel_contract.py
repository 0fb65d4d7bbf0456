"""The real kernel door keeps the contract that the engine, and the fake, are written against."""

from __future__ import annotations

import pytest
from tests.contract.kernel_lab import Lab
from tests.contract.kernel_suite import KernelContract
from tests.kernel.world import World

from polypod.kernel.door import KernelDoor
from polypod.plan.facts import Where


class RealLab:
    """The two namespaces of a kernel test, by the sandbox's path."""

    def __init__(self, world: World) -> None:
        self.kernel = KernelDoor()
        self.host = world.fds[Where.HOST]
        self.sandbox = world.path(Where.SANDBOX)
        self._world = world

    def parent(self, name: str) -> None:
        self._world.ip(
            Where.HOST,
            f"link add {name} type veth peer name {name}-far",
            f"link set {name} up",
            f"link set {name}-far up",
        )

    def destroy(self) -> None:
        self.sandbox = f"{self.sandbox}-gone"  # a path that leads nowhere


class TestRealKernel(KernelContract):
    @pytest.fixture
    def lab(self, world: World) -> Lab:
        return RealLab(world)

    @pytest.mark.needs("bridge-vlan")
    def test_a_port_has_the_vlans_it_was_given(self, lab: Lab) -> None:
        super().test_a_port_has_the_vlans_it_was_given(lab)
