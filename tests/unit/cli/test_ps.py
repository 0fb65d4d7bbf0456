"""`polypod ps`: rows for people and for programs."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from polypod.cli import main as entry
from polypod.cli import ps
from polypod.plan.record import Record
from polypod.store.journal import SqliteJournal

RESULT = json.dumps(
    {
        "cniVersion": "1.1.0",
        "interfaces": [
            {"name": "br0", "mac": "02:00:00:00:00:01"},
            {"name": "net1", "mac": "02:00:00:00:00:02", "sandbox": "/run/netns/hub"},
        ],
        "ips": [{"address": "10.1.0.2/24", "interface": 1}],
    }
).encode()


def record(pod: str = "hub", ifname: str = "net1", result: bytes = RESULT) -> Record:
    return Record(
        container_id=f"id-of-{pod}",
        network="lan",
        ifname=ifname,
        display_name="default/lan",
        pod_namespace="default" if pod else "",
        pod_name=pod,
        netns="/run/netns/hub",
        created=time.time() - 200,
        duration_s=0.0042,
        result=result,
    )


@pytest.fixture
def state(tmp_path: Path) -> Path:
    journal = SqliteJournal(tmp_path / "journal.db")
    for one in (record(), record(pod="", ifname="eth7"), record(pod="late", result=b"")):
        journal.put(one)
    journal.close()
    return tmp_path


def listed(capsys: pytest.CaptureFixture[str], state: Path, *words: str) -> str:
    assert entry.main(["polypod", "ps", "--state", str(state), *words]) == 0
    return capsys.readouterr().out


def test_a_table_has_a_line_for_each_interface(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [line.split() for line in listed(capsys, state).splitlines()]

    assert lines[0] == ["POD", "INTERFACE", "NETWORK", "ADDRESSES", "SINCE"]
    assert ["default/hub", "net1", "default/lan", "10.1.0.2/24", "3", "min", "ago"] in lines
    assert ["-", "eth7", "default/lan", "10.1.0.2/24", "3", "min", "ago"] in lines
    assert ["default/late", "net1", "default/lan", "-", "unfinished"] in lines


def test_a_wide_table_has_mac_time_container_and_namespace(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = listed(capsys, state, "-w", "hub").splitlines()[1].split()

    assert found[-4:] == ["02:00:00:00:00:02", "4.2", "id-of-hub", "/run/netns/hub"]


def test_json_is_for_programs(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (row,) = json.loads(listed(capsys, state, "-o", "json", "default/hub"))

    assert row.pop("since")
    assert row == {
        "namespace": "default",
        "pod": "hub",
        "interface": "net1",
        "network": "default/lan",
        "addresses": ["10.1.0.2/24"],
        "mac": "02:00:00:00:00:02",
        "milliseconds": 4.2,
        "containerID": "id-of-hub",
        "netns": "/run/netns/hub",
        "state": "attached",
    }


@pytest.mark.parametrize(
    ("output", "expected"), [("table", "nothing is attached\n"), ("json", "[]\n")]
)
def test_a_node_without_attachments_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], output: str, expected: str
) -> None:
    assert listed(capsys, tmp_path, "-o", output) == expected
    assert list(tmp_path.iterdir()) == []


def test_the_state_folder_may_be_named_by_the_environment(
    state: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYPOD_STATE", str(state))

    assert entry.main(["polypod", "ps", "-o", "json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 3


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 s ago"),
        (59, "59 s ago"),
        (60, "1 min ago"),
        (7300, "2 h ago"),
        (90_000, "1 d ago"),
    ],
)
def test_an_age_is_told_in_its_largest_unit(seconds: float, words: str) -> None:
    assert ps.ago(seconds) == words
