"""The scripts of a switch, run by a shell with a kubectl that only notes what it is asked."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from polypod.cli import people

CLUSTER = Path(__file__).parents[2] / "data" / "multus"
SCRIPTS = ("switch.sh", "back.sh", "back-ends.sh")
KUBECTL = """#!/bin/sh
echo "$*" >> "$ASKED"
case "$*" in "${FAILS:-nothing}") echo "error: $*" >&2; exit 1;; esac
while [ $# -gt 0 ]; do
    if [ "$1" = -f ] && ! [ -e "$2" ]; then echo "error: no $2" >&2; exit 1; fi
    shift
done
"""


class Shell:
    """Where the scripts are run: not in their folder."""

    def __init__(self, root: Path) -> None:
        """Write the switch and the kubectl."""
        self.folder, self.asked, self._bin = root / "my switch", root / "asked", root / "bin"
        self._bin.mkdir()
        (self._bin / "kubectl").write_text(KUBECTL)
        (self._bin / "kubectl").chmod(0o755)

    def write(self, *words: str) -> int:
        """Write the switch."""
        return people.main(
            ["migrate", "--manifests", str(CLUSTER), "--out", str(self.folder), *words]
        )

    def run(self, name: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run one script."""
        own = {"PATH": f"{self._bin}:{os.environ['PATH']}", "ASKED": str(self.asked)}
        return subprocess.run(
            [str(self.folder / name)],
            cwd="/",
            env=own | more,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def calls(self) -> list[str]:
        """Return what kubectl was asked."""
        return self.asked.read_text().splitlines()


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_runs_from_anywhere_and_says_what_it_does(shell: Shell, name: str) -> None:
    shell.write()

    ran = shell.run(name)

    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("1. ")
    assert all(len(line) < 100 for line in ran.stdout.splitlines())


def test_every_command_of_a_script_has_an_end_and_may_be_repeated(shell: Shell) -> None:
    shell.write()

    for name in SCRIPTS:
        shell.run(name)

    waiting = [call for call in shell.calls() if "rollout" in call or "delete" in call]
    own = [call for call in waiting if "polypod-set-aside" in call or "polypod-put-back" in call]
    others = [call for call in waiting if "delete" in call and call not in own]
    assert [call for call in waiting if call not in own and "--timeout=" not in call] == []
    assert [call for call in others if "--ignore-not-found" not in call] == []


def test_the_pods_of_a_workload_have_ended_before_the_next_step(shell: Shell) -> None:
    shell.write()

    shell.run("back.sh")

    assert shell.calls()[0].startswith("-n polypod-system delete daemonset/polypod --cascade=fore")


def test_a_script_that_fails_says_so_and_how_to_go_on(shell: Shell) -> None:
    shell.write()
    asked = "-n polypod-system rollout status daemonset/polypod --timeout=5m"

    ran = shell.run("switch.sh", FAILS=asked)

    assert ran.returncode == 1
    assert ran.stderr.splitlines() == [
        f"error: {asked}",
        "switch.sh stopped before its end: put right what is said above, and run it again.",
    ]
    assert shell.calls()[-1] == asked


def test_scripts_go_to_the_cluster_that_was_asked(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shell.write("--kubeconfig", "a file", "--context", "prod")

    for name in SCRIPTS:
        shell.run(name)

    named = f"--kubeconfig={tmp_path}/a file --context=prod "
    assert {call.startswith(named) for call in shell.calls()} == {True}


def test_the_way_back_is_not_lost_by_asking_again_after_the_switch(
    shell: Shell, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.write()
    before = (shell.folder / "back.sh").read_text()
    (tmp_path / "after").mkdir()

    again = shell.write()
    after = people.main(
        ["migrate", "--manifests", str(tmp_path / "after"), "--out", str(shell.folder)]
    )

    assert (again, after) == (2, 3)
    assert "is the way back to something that is not there any more" in capsys.readouterr().err
    assert (shell.folder / "back.sh").read_text() == before


def test_the_end_of_the_way_back_cuts_no_pod_off(shell: Shell) -> None:
    shell.write()

    text = (shell.folder / "back-3-uninstall.yaml").read_text()

    assert "- --unless-used\n" in text
