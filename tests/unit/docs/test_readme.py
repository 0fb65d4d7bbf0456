"""What the README promises can be called, and CI calls it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CI = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
DEV = (ROOT / "dev").read_text(encoding="utf-8")
_call = re.compile(r"\./dev ([a-z]+)")


def tasks() -> set[str]:
    """Return the tasks that the task runner lists."""
    usage = DEV.split("usage: ./dev TASK")[1].split("EOF")[0]
    return set(re.findall(r"^  ([a-z0-9]+) ", usage, re.MULTILINE))


def test_ci_calls_what_the_readme_tells_a_newcomer_to_call() -> None:
    (block,) = re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)

    told = [line for line in block.splitlines() if line.startswith("./dev")]

    assert told == ["./dev demo", "./dev test"]
    assert all(re.search(rf"{re.escape(line)}(;|$)", CI, re.MULTILINE) for line in told)


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", "docs/tutorial.md", "docs/benchmarks.md"]
)
def test_every_task_that_a_page_names_is_one(page: str) -> None:
    named = set(_call.findall((ROOT / page).read_text(encoding="utf-8")))

    assert named
    assert named <= tasks()
