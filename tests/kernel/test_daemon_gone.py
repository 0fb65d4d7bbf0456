"""Callers that went away: what they asked for is not begun, or is taken back."""

from __future__ import annotations

import json
import os
import random
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.kernel.live import CALLED, NETNS, PRIMARY, Live

from polypod.daemon import frames
from polypod.daemon.frames import Deadline, Kind, Reader, blob, number
from polypod.daemon.wire import WireRequest, render_request

SEED = 11
PASS_ON = 'sed "s/.*\\"prevResult\\"://; s/,\\"type\\".*//"'
SLOW = {
    **PRIMARY,
    "plugins": [*PRIMARY["plugins"], {"type": "slow"}],
}


@pytest.fixture
def live() -> Iterator[Live]:
    node = Live(SLOW)
    node.plugin("slow", gate(node))
    yield node
    node.close()


def gate(live: Live) -> str:
    """A plugin that says when its ADD began, and waits to be let on; it answers prevResult."""
    wait = f"touch {live.folder}/began; while ! test -e {live.folder}/go-on; do sleep 0.02; done"
    said = f'echo "$CNI_COMMAND" >>{live.folder}/verbs'
    return f'{said}\nif test "$CNI_COMMAND" = ADD; then {wait}; {PASS_ON}; fi'


def wait_for(condition: Callable[[], bool], live: Live) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, live.logged()
        time.sleep(0.01)


def began(live: Live) -> bool:
    return (live.folder / "began").exists()


def verbs(live: Live) -> list[str]:
    path = live.folder / "verbs"
    return path.read_text().split() if path.exists() else []


def nothing_is_left(live: Live) -> bool:
    return not live.ports() and not live.leases() and not live.records()


def ask(live: Live, verb: str, container: str, started: int = 0) -> socket.socket:
    """Send a request as a shim would, and leave the connection open."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(live.socket))
    variables = live.variables(verb, container)
    request = WireRequest(
        argv0="polypod",
        environment={key: value for key, value in variables.items() if key.startswith("CNI_")},
        stdin=CALLED,
        started=started,
    )
    connection.sendall(render_request(request))
    return connection


def answer(connection: socket.socket) -> bytes:
    fds: list[int] = []
    with connection:
        kind, payload = frames.receive(connection, Deadline(20), fds)
    assert kind == Kind.RESULT and not fds
    return payload


def test_a_plugin_of_a_killed_caller_ends_and_everything_is_taken_back(live: Live) -> None:
    live.start()
    live.sandbox("killed")
    shim = live.begin("ADD", "killed")
    wait_for(lambda: began(live), live)
    assert live.leases() and live.ports()

    shim.kill()

    wait_for(lambda: nothing_is_left(live), live)
    wait_for(lambda: "DEL" in verbs(live), live)
    assert live.links_of("killed") == set()


def test_an_answer_that_nobody_takes_is_taken_back_and_the_same_id_may_come_again(
    live: Live,
) -> None:
    live.plugin("slow", 'sed \'s/.*"prevResult"://; s/,"type".*//\'')  # it asks for nobody
    live.start("--threads", "4")
    live.sandbox("undelivered")
    connection = ask(live, "ADD", "undelivered")
    connection.close()
    # Whether the caller is seen to be gone before the ADD or after it, nothing may be left.
    live.wait_logged("event=(answer.undone|request.abandoned)")

    assert nothing_is_left(live) and live.links_of("undelivered") == set()
    (live.folder / "go-on").touch()
    assert live.call("ADD", "undelivered").code == 0, live.logged()
    assert live.call("DEL", "undelivered").code == 0
    assert nothing_is_left(live)


def test_an_add_whose_answer_cannot_be_delivered_is_undone_by_the_daemon_alone(live: Live) -> None:
    live.start()
    live.sandbox("late-answer")
    shim = live.begin("ADD", "late-answer")
    wait_for(lambda: began(live), live)
    (live.folder / "go-on").touch()
    os.kill(shim.pid, 19)  # SIGSTOP: it will neither run its plugin's end nor read an answer
    shim.kill()

    wait_for(lambda: nothing_is_left(live), live)


def test_a_killed_caller_in_the_queue_is_not_begun(live: Live) -> None:
    live.start("--threads", "4")  # of which one serves ADD
    for name in ("first", "queued"):
        live.sandbox(name)
    first = live.begin("ADD", "first")
    wait_for(lambda: began(live), live)
    queued = live.begin("ADD", "queued")
    time.sleep(0.3)
    queued.kill()
    queued.wait()
    (live.folder / "go-on").touch()

    assert live.finish([first]) == [0]
    live.wait_logged("event=request.abandoned .*container=queued")
    assert live.records() == {"first": 1} and live.links_of("queued") == set()
    assert live.call("DEL", "first").code == 0
    assert nothing_is_left(live)


def test_a_late_add_does_nothing_but_a_new_one_of_the_same_id_does(live: Live) -> None:
    (live.folder / "go-on").touch()
    live.start()
    live.sandbox("late")
    before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    assert live.call("DEL", "late").code == 0

    late = answer(ask(live, "ADD", "late", started=before))

    assert b'"code": 3' in late and nothing_is_left(live)
    assert live.call("ADD", "late").code == 0, live.logged()
    assert live.call("DEL", "late").code == 0


def test_delete_and_status_do_not_wait_for_adds_that_hang(live: Live) -> None:
    (live.folder / "go-on").touch()
    live.start()
    names = [f"hang{number}" for number in range(40)]
    live.sandbox("there")
    for name in names:
        live.sandbox(name)
    assert live.call("ADD", "there").code == 0
    (live.folder / "go-on").unlink()
    hanging = [live.begin("ADD", name) for name in names]
    wait_for(lambda: len(live.records()) >= 15, live)

    deleted = live.call("DEL", "there")
    status = live.call("STATUS", "there", CALLED.replace(b"1.0.0", b"1.1.0"))

    assert (deleted.code, status.code) == (0, 0)
    assert max(deleted.seconds, status.seconds) < 5
    (live.folder / "go-on").touch()
    assert live.finish(hanging) == [0] * 40
    assert live.finish([live.begin("DEL", name) for name in names]) == [0] * 40
    assert nothing_is_left(live)


def test_the_namespace_may_be_named_by_any_path_that_leads_there(live: Live) -> None:
    (live.folder / "go-on").touch()
    live.start()
    live.sandbox("hidden")
    link = Path("/run/only-here")
    link.symlink_to(NETNS / "hidden")
    try:
        codes = [live.call(verb, "hidden", CNI_NETNS=str(link)).code for verb in ("ADD", "DEL")]
    finally:
        link.unlink()
    assert codes == [0, 0], live.logged()
    assert nothing_is_left(live) and live.links_of("hidden") == set()


def test_an_add_is_undone_when_its_last_answer_finds_nobody(live: Live) -> None:
    # This caller plays the shim's part to the end, and hangs up right before its answer comes.
    live.start()
    live.sandbox("deaf")
    fds: list[int] = []
    with ask(live, "ADD", "deaf") as connection:
        kind, payload = frames.receive(connection, Deadline(20), fds)
        assert kind == Kind.RUN and live.ports() and live.leases()
        frames.send(connection, Kind.RAN, ran(prev_result(payload)))

    live.wait_logged("event=answer.undone")

    assert nothing_is_left(live) and live.links_of("deaf") == set()
    assert verbs(live) == ["DEL"]  # by the daemon itself: its caller is gone
    (live.folder / "go-on").touch()
    assert [live.call(verb, "deaf").code for verb in ("ADD", "DEL")] == [0, 0], live.logged()


def prev_result(run: bytes) -> bytes:
    """What the plugin of a RUN would answer."""
    reader = Reader(run)
    reader.blob()
    for _ in range(reader.number()):
        reader.blob()
    return json.dumps(json.loads(reader.blob())["prevResult"]).encode()


def ran(stdout: bytes) -> bytes:
    return number(0) + number(0) + blob(stdout) + blob(b"")


def test_callers_killed_at_any_time_leave_nothing_behind(live: Live) -> None:
    live.plugin("slow", f'sleep 0.02\nif test "$CNI_COMMAND" = ADD; then {PASS_ON}; fi')
    live.start()
    dice = random.Random(SEED)
    names = [f"reap{number}" for number in range(48)]
    for name in names:
        live.sandbox(name)

    shims = [live.begin("ADD", name) for name in names]
    for shim in dice.sample(shims, len(shims) // 2):
        time.sleep(dice.uniform(0, 0.03))
        shim.kill()
    live.finish(shims)
    deletes = [live.begin("DEL", name) for name in names]

    assert live.finish(deletes) == [0] * len(names), live.logged()
    wait_for(lambda: nothing_is_left(live), live)
    assert not any(live.links_of(name) for name in names)
