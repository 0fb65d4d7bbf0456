"""Bad input of every kind: a plain answer soon, nothing changed, nothing left open."""

from __future__ import annotations

import os
import random
import socket
import struct
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.kernel.live import CALLED, Live

from polypod.daemon import frames
from polypod.daemon.frames import Deadline, Kind
from polypod.daemon.options import THREADS
from polypod.daemon.wire import WireRequest, render_request

BAD_FRAMES = 1000
SEED = 7
GOOD = render_request(WireRequest(argv0="polypod", environment={}, stdin=b"{}"))


@pytest.fixture
def live() -> Iterator[Live]:
    node = Live()
    yield node
    node.close()


def connected(live: Live) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(20)
    connection.connect(str(live.socket))
    return connection


def open_files(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def memory_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("no VmRSS")


def hostile(dice: random.Random) -> bytes:
    kind = dice.randrange(5)
    if kind == 0:
        return dice.randbytes(dice.randrange(200))
    if kind == 1:
        return GOOD[: dice.randrange(len(GOOD))]
    if kind == 2:
        return struct.pack("<4sHHI", b"PLYP", 1, dice.randrange(9), dice.randrange(1 << 32))
    if kind == 3:
        return struct.pack("<4sHHI", b"PLYP", dice.randrange(1 << 16), 1, 0)
    changed = bytearray(GOOD)
    changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def test_a_thousand_bad_frames_leave_no_descriptor_open_and_the_daemon_serving(
    live: Live,
) -> None:
    daemon = live.start()
    live.sandbox("after")
    dice = random.Random(SEED)
    # A pool keeps files open from its first call on, and each thread its socket to the kernel.
    assert [live.call(verb, "after").code for verb in ("ADD", "DEL")] == [0, 0]
    most = open_files(daemon.pid) + THREADS
    with open("/dev/null") as null:
        for number in range(BAD_FRAMES):
            with connected(live) as connection:
                fds = [null.fileno()] * (number % 12)
                socket.send_fds(connection, [hostile(dice) or b"?"], fds)

    assert [live.call(verb, "after").code for verb in ("ADD", "DEL")] == [0, 0]
    deadline = time.monotonic() + 10
    while open_files(daemon.pid) > most:
        assert time.monotonic() < deadline, os.listdir(f"/proc/{daemon.pid}/fd")
        time.sleep(0.05)
    assert memory_kib(daemon.pid) < 80 << 10
    assert "traceback" not in live.logged()


def test_callers_that_say_nothing_hold_a_few_threads_only(live: Live) -> None:
    live.start()
    live.sandbox("served")
    silent = [connected(live) for _ in range(200)]
    for connection in silent[::2]:
        connection.sendall(b"PLY")

    added, deleted = live.call("ADD", "served"), live.call("DEL", "served")

    for connection in silent:
        connection.close()
    # 200 callers, 28 threads that wait a quarter of a second for each: under three seconds.
    assert (added.code, deleted.code) == (0, 0), live.logged()
    assert added.seconds < 5 and deleted.seconds < 5


@pytest.mark.parametrize(
    ("verb", "changed", "stdin", "code"),
    [
        ("ADD", {}, b"", 6),
        ("ADD", {}, b"[1]", 6),
        ("ADD", {}, b"{" * 100_000, 6),
        ("ADD", {}, b'{"cniVersion":"9.9.9","name":"n","type":"polypod"}', 1),
        ("ADD", {}, b'{"cniVersion":"1.0.0","name":"../n","type":"polypod"}', 7),
        ("ADD", {"CNI_CONTAINERID": "../../etc"}, CALLED, 4),
        ("ADD", {"CNI_CONTAINERID": "a" * 5000}, CALLED, 4),
        ("ADD", {"CNI_CONTAINERID": "a\nb"}, CALLED, 4),
        ("ADD", {"CNI_IFNAME": "eth0/../x"}, CALLED, 4),
        ("ADD", {"CNI_IFNAME": "a" * 16}, CALLED, 4),
        ("ADD", {"CNI_NETNS": ""}, CALLED, 4),
        ("ADD", {"CNI_NETNS": "/etc/passwd"}, CALLED, 8),
        ("ADD", {"CNI_ARGS": "K8S_POD_NAME=\udcff"}, CALLED, 4),
        ("DEL", {"CNI_CONTAINERID": "\x1b[31m"}, CALLED, 4),
        ("CHECK", {"CNI_CONTAINERID": ""}, CALLED, 4),
        ("JUMP", {}, CALLED, 4),
    ],
)
def test_bad_input_is_answered_soon_and_changes_nothing(
    live: Live,
    verb: str,
    changed: dict[str, str],
    stdin: bytes,
    code: int,
    record_property: Callable[[str, object], None],
) -> None:
    live.start()
    live.sandbox("bad")

    answer = live.call(verb, "bad", stdin, **changed)

    record_property("milliseconds", round(answer.seconds * 1000, 1))
    assert answer.code == 1, answer
    assert answer.json["code"] == code, answer
    assert answer.json["msg"] and "\n" not in answer.json["msg"]
    assert not live.records() and not live.leases() and not live.ports()
    lines = live.logged().splitlines()
    assert all(line.startswith("time=") for line in lines) and "traceback" not in live.logged()
    assert "\x1b" not in live.logged()


def test_frames_of_another_wire_version_are_told_which_is_spoken(live: Live) -> None:
    live.start()
    fds: list[int] = []
    with connected(live) as connection:
        connection.sendall(struct.pack("<4sHHI", b"PLYP", 9, 1, 100))

        kind, payload = frames.receive(connection, Deadline(10), fds)

    assert kind == Kind.MISMATCH and payload[:4] == struct.pack("<I", 1) and not fds


def test_the_health_page_tells_ready_and_counts_by_bounded_labels(live: Live) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    daemon = live.start("--metrics", f"127.0.0.1:{port}")
    live.sandbox("counted")
    assert [live.call(verb, "counted").code for verb in ("ADD", "DEL", "JUMP")] == [0, 0, 1]
    page = f"http://127.0.0.1:{port}"

    with urllib.request.urlopen(f"{page}/readyz") as ready:
        assert ready.status == 200
    with urllib.request.urlopen(f"{page}/metrics") as metrics:
        text = metrics.read().decode()
    with pytest.raises(urllib.error.HTTPError) as missing:
        urllib.request.urlopen(f"{page}/../etc/passwd")
    missing.value.close()

    for line in (
        'polypod_request_seconds_count{plugin="polypod",verb="ADD"} 1.0',
        'polypod_request_seconds_count{plugin="polypod",verb="other"} 1.0',
        'polypod_attachment_seconds_count{network="live",plugin="bridge",verb="ADD"} 1.0',
        'polypod_attachment_seconds_count{network="live",plugin="bridge",verb="DEL"} 1.0',
        'polypod_errors_total{slug="invalid-environment"} 1.0',
        "polypod_queue_length 0.0",
    ):
        assert line in text, text
    assert float(text.split("\npolypod_resident_bytes ")[1].split()[0]) > 1 << 20
    assert live.stop(daemon) == 0
