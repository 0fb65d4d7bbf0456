"""A real kube-apiserver keeps the contract that the one in memory keeps."""

from __future__ import annotations

import pytest
from tests.contract.api_suite import ApiContract, ApiLab
from tests.control_plane.lab import RealLab


class TestRealApiServer(ApiContract):
    @pytest.fixture
    def api(self, lab: RealLab) -> ApiLab:
        return lab
