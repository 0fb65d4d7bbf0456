"""The kernel in memory keeps the contract; tests/kernel has the same tests on the real one."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from tests.contract.kernel_lab import Lab
from tests.contract.kernel_suite import KernelContract

from polypod.testing.kernel import FakeKernel
from polypod.testing.world import World

SANDBOX = "/run/netns/pod"


@dataclass
class FakeLab:
    world: World = field(default_factory=World)
    host: int | None = None
    sandbox: str = SANDBOX

    def __post_init__(self) -> None:
        self.kernel = FakeKernel(self.world)
        self.world.sandbox(SANDBOX)

    def parent(self, name: str) -> None:
        self.world.parent(name)

    def destroy(self) -> None:
        self.world.destroy(SANDBOX)


class TestKernelInMemory(KernelContract):
    @pytest.fixture
    def lab(self) -> Lab:
        return FakeLab()
