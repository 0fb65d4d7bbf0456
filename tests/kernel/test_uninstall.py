"""A node whose daemon was killed for good: `polypod uninstall` takes back what is ours, no more."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from tests.kernel.live import PRIMARY, Live

SECOND = {
    "cniVersion": "1.0.0",
    "name": "second",
    "type": "bridge",
    "bridge": "live1",
    "ipam": {"type": "host-local", "subnet": "10.67.0.0/24"},
}
MANIFESTS = {
    "kind": "List",
    "items": [
        {
            "kind": "NetworkAttachmentDefinition",
            "metadata": {"name": "second", "namespace": "default"},
            "spec": {"config": json.dumps(SECOND)},
        },
        *(
            {
                "kind": "Pod",
                "metadata": {
                    "name": name,
                    "namespace": "default",
                    "annotations": {"k8s.v1.cni.cncf.io/networks": "second"},
                },
            }
            for name in ("alive", "gone")
        ),
    ],
}


@pytest.fixture
def live() -> Iterator[Live]:
    node = Live()
    (node.folder / "manifests" / "all.yaml").write_text(json.dumps(MANIFESTS))
    yield node
    node.close()
    subprocess.run(["ip", "link", "del", "live1"], capture_output=True, check=False)


@pytest.fixture
def killed(live: Live) -> Live:
    """Attach two pods, end one sandbox behind the daemon's back, and kill the daemon."""
    daemon = live.start()
    for name in ("alive", "gone"):
        live.sandbox(name)
        assert live.call("ADD", name).code == 0
    live.remove_sandbox("gone")
    daemon.send_signal(signal.SIGKILL)
    daemon.wait(10)
    (live.folder / "net.d").mkdir()
    ours = {"cniVersion": "1.0.0", "name": "polypod", "plugins": [{"type": "polypod"}]}
    for name in ("00-polypod.conflist", "00-polypod.conflist.cilium_bak"):
        (live.folder / "net.d" / name).write_text(json.dumps(ours))
    (live.folder / "net.d" / "10-live.conflist").write_text(json.dumps(PRIMARY))
    return live


def uninstall(live: Live, *options: str, code: int = 0) -> list[str]:
    places = {
        "--conf-dir": live.folder / "net.d",
        "--shim-dir": live.bin,
        "--state": live.state,
        "--socket": live.socket,
        "--data-root": live.data,
    }
    words = [str(word) for pair in places.items() for word in pair]
    command = [sys.executable, "-m", "polypod.cli.main", "uninstall", *words, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == code, (done.stdout, done.stderr)
    return (done.stdout + done.stderr).splitlines()


def configurations(live: Live) -> list[str]:
    return sorted(path.name for path in (live.folder / "net.d").iterdir())


def leases(live: Live) -> list[str]:
    return sorted(path.name for path in (live.data / "networks").glob("*/10.*"))


def test_files_of_ours_go_and_what_is_attached_stays(killed: Live) -> None:
    said = uninstall(killed)

    assert configurations(killed) == ["10-live.conflist"]
    assert not (killed.bin / "polypod").exists()
    assert not killed.socket.exists()
    assert len(leases(killed)) == 4
    assert killed.links_of("alive") == {"eth0", "net1"}
    assert "the runtime reads 10-live.conflist now" in said
    assert "left attached: 4 interfaces of 2 sandboxes; --detach takes them back" in said


def test_what_is_attached_is_taken_back_but_for_first_networks_of_pods_that_live(
    killed: Live,
) -> None:
    said = uninstall(killed, "--detach", "--purge")

    assert killed.links_of("alive") == {"eth0"}
    assert leases(killed) == ["10.66.0.2"]
    assert not killed.state.exists()
    assert "left eth0 of default/alive: its first network, the primary's" in said
    assert {line for line in said if line.startswith("took back")} == {
        "took back net1 of default/alive (default/second)",
        "took back eth0 of default/gone (live)",
        "took back net1 of default/gone (default/second)",
    }
    assert len(killed.ports()) == 1


def test_called_again_it_finds_nothing(killed: Live) -> None:
    uninstall(killed, "--detach", "--purge")

    said = uninstall(killed, "--detach", "--purge")

    assert said == ["the runtime reads 10-live.conflist now"]


def test_a_dry_run_changes_nothing(killed: Live) -> None:
    before = configurations(killed)

    said = uninstall(killed, "--detach", "--dry-run")

    assert f"would remove {killed.folder}/net.d/00-polypod.conflist" in said
    assert "would take back net1 of default/alive (default/second)" in said
    assert configurations(killed) == before
    assert (killed.bin / "polypod").exists()
    assert len(leases(killed)) == 4


def test_a_node_whose_daemon_serves_is_left_to_it(live: Live) -> None:
    live.start()
    (live.folder / "net.d").mkdir()

    said = uninstall(live, code=1)

    assert "a daemon serves this node" in said[0]
    assert (live.bin / "polypod").exists()


def test_a_state_folder_that_knows_of_attachments_is_not_removed_unasked(killed: Live) -> None:
    said = uninstall(killed, "--purge", code=1)

    assert "would be forgotten" in said[0]
    assert killed.state.exists()
    assert "00-polypod.conflist" in configurations(killed)


def test_a_file_of_somebody_else_under_our_name_is_kept_and_named(live: Live) -> None:
    folder = live.folder / "net.d"
    folder.mkdir()
    (folder / "00-polypod.conflist").write_text(json.dumps(PRIMARY))
    (live.bin / "polypod").unlink()
    (live.bin / "polypod").write_text("#!/bin/sh\n")

    said = uninstall(live)

    assert f"kept {folder}/00-polypod.conflist: it is not ours" in said
    assert f"kept {live.bin}/polypod: it is not ours" in said
    assert (folder / "00-polypod.conflist").exists()


def test_nothing_is_touched_while_a_pod_would_lose_a_network(killed: Live) -> None:
    before = configurations(killed), leases(killed)

    said = uninstall(killed, "--detach", "--purge", "--unless-used", code=1)
    after = configurations(killed), leases(killed)
    killed.remove_sandbox("alive")
    uninstall(killed, "--detach", "--purge", "--unless-used")

    assert said[0] == "polypod: default/alive would lose networks [conflict]"
    assert after == before
    assert leases(killed) == []
