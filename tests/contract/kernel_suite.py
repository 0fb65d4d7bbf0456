"""What the engine may expect of a kernel door: one suite, for the fake and for the real one.

A subclass gives the fixture `lab`. test_kernel_fake.py has the fake's; tests/kernel has the real
one's, which needs a network namespace of its own.
"""

from __future__ import annotations

from tests.contract.kernel_links import LinkContract
from tests.contract.kernel_settings import SettingContract
from tests.contract.kernel_together import TogetherContract


class KernelContract(LinkContract, SettingContract, TogetherContract):
    """All of it."""
