"""One case or more for each op: a world before it, and what iproute2 and nft must show after it."""

from __future__ import annotations

import pytest
from tests.kernel.bridge_cases import BRIDGES
from tests.kernel.case import Case
from tests.kernel.link_cases import LINKS
from tests.kernel.rule_cases import RULES
from tests.kernel.setting_cases import SETTINGS

CASES: dict[str, Case] = {**BRIDGES, **LINKS, **SETTINGS, **RULES}

each_case = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.needs(case.needs)] if case.needs else [])
        for name, case in CASES.items()
    ],
)
