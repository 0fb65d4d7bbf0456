"""What the engine may expect of a door to other people's plugins: functions, and real programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from polypod.engine.doors import Foreign
from polypod.errors import ForeignError
from polypod.foreign.run import ForeignDoor
from polypod.plan.foreign import ForeignCall
from polypod.testing.foreign import FakeForeign

ECHO = """#!/bin/sh
stdin=$(cat)
printf '{"command": "%s", "id": "%s", "netns": "%s", "ifname": "%s", "args": "%s", "stdin": %s}' \\
    "$CNI_COMMAND" "$CNI_CONTAINERID" "$CNI_NETNS" "$CNI_IFNAME" "$CNI_ARGS" "$stdin"
"""
FAILS = """#!/bin/sh
echo '{"code": 11, "msg": "no room", "details": "try later"}'
exit 1
"""


def _echo(call: ForeignCall) -> bytes:
    told = {
        "command": call.command,
        "id": call.container_id,
        "netns": call.netns,
        "ifname": call.ifname,
        "args": call.arguments,
        "stdin": json.loads(call.stdin),
    }
    return json.dumps(told).encode()


def _fails(call: ForeignCall) -> bytes:
    del call
    raise ForeignError("no room", details="try later", code=11)


@pytest.fixture
def door(which: str, folder: Path) -> tuple[Foreign, tuple[str, ...]]:
    if which == "memory":
        fake = FakeForeign()
        fake.add("echo", _echo)
        fake.add("fails", _fails)
        return fake, ("/opt/cni/bin",)
    for name, text in (("echo", ECHO), ("fails", FAILS)):
        (folder / name).write_text(text, encoding="utf-8")
        (folder / name).chmod(0o755)
    return ForeignDoor(), ("/nonexistent", str(folder))


def call(type_: str, path: tuple[str, ...], command: str = "ADD") -> ForeignCall:
    return ForeignCall(
        type=type_,
        command=command,
        container_id="c1",
        netns="/run/netns/x",
        ifname="net1",
        arguments="IgnoreUnknown=true;K8S_POD_NAME=p",
        path=path,
        stdin=b'{"name": "n"}',
    )


def test_a_plugin_is_told_everything_and_answers(door: tuple[Foreign, tuple[str, ...]]) -> None:
    foreign, path = door

    assert json.loads(foreign.run(call("echo", path, "DEL"))) == {
        "command": "DEL",
        "id": "c1",
        "netns": "/run/netns/x",
        "ifname": "net1",
        "args": "IgnoreUnknown=true;K8S_POD_NAME=p",
        "stdin": {"name": "n"},
    }


def test_a_plugins_error_keeps_its_code_and_words(door: tuple[Foreign, tuple[str, ...]]) -> None:
    foreign, path = door

    with pytest.raises(ForeignError) as raised:
        foreign.run(call("fails", path))

    error = raised.value
    assert (error.code, error.cause, error.details) == (11, "no room", "try later")


def test_a_plugin_that_is_not_there_is_an_error(door: tuple[Foreign, tuple[str, ...]]) -> None:
    foreign, path = door

    assert foreign.has("echo", path)
    assert not foreign.has("other", path)
    with pytest.raises(ForeignError, match=r'failed to find plugin "other" in path \['):
        foreign.run(call("other", path))
