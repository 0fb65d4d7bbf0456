"""One owner at a time: refusal, standing by, restart, what a start finds and makes good."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from tests.kernel.live import CALLED, PRIMARY, Live

from polypod.daemon.wire import WireRequest, render_spooled

CHAINED = {**PRIMARY, "plugins": [*PRIMARY["plugins"], {"type": "noop"}]}
PASS_ON = 'sed "s/.*\\"prevResult\\"://; s/,\\"type\\".*//"'


@pytest.fixture
def live() -> Iterator[Live]:
    node = Live()
    yield node
    node.close()


def keep(live: Live, name: str, content: bytes) -> None:
    live.spool.mkdir(parents=True, exist_ok=True)
    (live.spool / name).write_bytes(content)


def request(live: Live, verb: str, container: str) -> bytes:
    variables = live.variables(verb, container)
    given = {key: value for key, value in variables.items() if key.startswith("CNI_")}
    return render_spooled(WireRequest(argv0="polypod", environment=given, stdin=CALLED, started=1))


def wait_gone(live: Live) -> None:
    deadline = time.monotonic() + 10
    while live.records() or live.leases() or any(live.spool.glob("*.del")):
        assert time.monotonic() < deadline, live.logged()
        time.sleep(0.02)


def test_a_second_daemon_is_refused_with_one_clear_sentence(live: Live) -> None:
    live.start()
    second = live.launch()

    assert second.wait(20) == 1
    assert f"another daemon owns {live.state}" in live.logged()
    assert "--stand-by" in live.logged()
    live.sandbox("still")
    assert live.call("ADD", "still").code == 0
    assert live.call("DEL", "still").code == 0


def test_a_daemon_that_stands_by_takes_over_and_the_first_waits_its_turn(live: Live) -> None:
    first = live.start()
    live.sandbox("kept")
    assert live.call("ADD", "kept").code == 0

    second = live.start("--stand-by", "20")

    assert first.poll() is None and "event=daemon.asked_to_let_go" in live.logged()
    assert live.call("CHECK", "kept").code == 0
    second.kill()
    second.wait()
    live.wait_logged(rf"daemon.ready .*pid={first.pid}\n(.*\n)*.*daemon.ready .*pid={first.pid}\n")
    assert live.call("DEL", "kept").code == 0
    assert live.stop(first) == 0
    assert not live.records() and not live.leases()


def test_a_restart_leaves_a_gap_in_which_no_call_fails(
    live: Live, record_property: Callable[[str, object], None]
) -> None:
    names = [f"gap{number}" for number in range(6)]
    for name in names:
        live.sandbox(name)
    daemon = live.start()
    calling, longest, codes = threading.Event(), [0.0], list[int]()

    def cycle(name: str) -> None:
        while not calling.is_set():
            for verb in ("ADD", "DEL"):
                done = live.call(verb, name)
                longest[0] = max(longest[0], done.seconds)
                codes.append(done.code)

    callers = [threading.Thread(target=cycle, args=(name,)) for name in names]
    for caller in callers:
        caller.start()
    for _ in range(3):
        time.sleep(0.4)
        assert live.stop(daemon) == 0
        daemon = live.start()
    calling.set()
    for caller in callers:
        caller.join()
    wait_gone(live)

    record_property("longest call over a restart, seconds", round(longest[0], 3))
    assert set(codes) == {0}, live.logged()
    assert longest[0] < 10
    assert not live.ports()


def test_a_daemon_without_a_call_ends_at_once(live: Live) -> None:
    daemon = live.start()
    started = time.monotonic()

    assert live.stop(daemon) == 0

    assert time.monotonic() - started < 5
    assert not live.socket.exists()


def test_what_was_kept_is_carried_out_before_the_first_call_is_served(live: Live) -> None:
    live.sandbox("kept")
    daemon = live.start()
    assert live.call("ADD", "kept").code == 0
    live.stop(daemon)
    assert live.call("DEL", "kept").code == 0
    assert len(list(live.spool.glob("*.del"))) == 1 and live.records()

    live.start()

    assert not live.records() and not live.leases() and not live.ports()
    assert not list(live.spool.glob("*.del"))


def test_what_is_kept_while_it_serves_is_carried_out_too(live: Live) -> None:
    live.sandbox("watched")
    live.start()
    assert live.call("ADD", "watched").code == 0

    keep(live, f"{1:020}-1.del", request(live, "DEL", "watched"))

    wait_gone(live)


def test_a_kept_del_never_hits_what_a_later_add_of_the_same_id_made(live: Live) -> None:
    live.sandbox("same")
    live.start()
    keep(live, f"{1:020}-1.del", request(live, "DEL", "same"))

    assert live.call("ADD", "same").code == 0
    time.sleep(2.5)  # longer than the spool is left alone

    assert live.call("CHECK", "same").code == 0
    assert live.records() == {"same": 1} and live.links_of("same") == {"eth0"}
    assert not list(live.spool.glob("*.del"))
    assert live.call("DEL", "same").code == 0


def test_damaged_entries_are_put_aside_and_the_others_carried_out(live: Live) -> None:
    live.sandbox("good")
    daemon = live.start()
    assert live.call("ADD", "good").code == 0
    live.stop(daemon)
    whole = request(live, "DEL", "good")
    bad = {
        "1.del": b"",
        "2.del": b"\xff" * 100,
        "3.del": whole[:-1],
        "4.del": request(live, "ADD", "good"),
    }
    for name, content in bad.items():
        keep(live, name, content)
    keep(live, "5.del", whole)
    keep(live, "6.del", whole[:4] + b"\x09\x00" + whole[6:])
    (live.spool / "7.del").symlink_to("/etc/passwd")
    (live.spool / "8.del").mkdir()

    live.start()

    assert not live.records() and not live.leases()
    assert {path.name for path in (live.spool / "bad").iterdir()} == set(bad)
    # An entry of another form waits for the release that wrote it.
    assert {path.name for path in live.spool.glob("*.del")} == {"6.del", "7.del", "8.del"}


@pytest.mark.parametrize("primary", [PRIMARY, CHAINED], ids=["built-in", "foreign"])
def test_networks_of_an_earlier_boot_are_taken_back(primary: dict[str, object]) -> None:
    live = Live(primary)
    try:
        said = f'echo "$CNI_COMMAND" >>{live.folder}/verbs'
        live.plugin("noop", f'{said}\nif test "$CNI_COMMAND" = ADD; then {PASS_ON}; fi')
        live.sandbox("outlived")
        daemon = live.start()
        assert live.call("ADD", "outlived").code == 0, live.logged()
        live.stop(daemon)
        rewrite(live, boot_id="another")

        live.start()

        wait_gone(live)
        assert live.call("ADD", "outlived", CNI_IFNAME="eth1").code == 0, live.logged()
        assert live.call("DEL", "outlived", CNI_IFNAME="eth1").code == 0
    finally:
        live.close()


def test_what_a_pod_had_that_ended_while_nobody_served_is_taken_back(live: Live) -> None:
    for name in ("ended", "runs"):
        live.sandbox(name)
    daemon = live.start()
    for name in ("ended", "runs"):
        assert live.call("ADD", name).code == 0, live.logged()
    live.stop(daemon)
    live.remove_sandbox("ended")

    live.start()
    live.wait_for(lambda: live.records() == {"runs": 1})

    assert len(live.leases()) == 1 and live.links_of("runs") == {"eth0"}
    assert live.call("CHECK", "runs").code == 0
    assert live.call("DEL", "ended").code == 0


def test_records_that_make_no_sense_do_not_keep_the_daemon_from_serving(live: Live) -> None:
    for name in ("odd", "new"):
        live.sandbox(name)
    daemon = live.start()
    assert live.call("ADD", "odd").code == 0
    live.stop(daemon)
    rewrite(live, result="", netns="/etc/passwd", config="bm90IGpzb24=")
    with sqlite3.connect(live.state / "journal.db") as database:
        database.execute(
            "INSERT INTO attachment VALUES ('x', 'n', 'eth0', 0, 1, ?)", (b'{"no": "record"}',)
        )
    database.close()

    live.start()

    assert live.call("ADD", "new").code == 0, live.logged()
    assert live.call("DEL", "new").code == 0


def rewrite(live: Live, **fields: str) -> None:
    """Change fields of every record while nobody serves."""
    with sqlite3.connect(live.state / "journal.db") as database:
        rows = database.execute("SELECT container_id, record FROM attachment").fetchall()
        for container, record in rows:
            changed = json.dumps({**json.loads(record), **fields}).encode()
            database.execute(
                "UPDATE attachment SET record = ? WHERE container_id = ?", (changed, container)
            )
    database.close()
