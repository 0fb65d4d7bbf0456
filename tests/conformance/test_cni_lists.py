"""Section U: lists of plugins: how they are read, and what each plugin of one is told.

The engine runs on the doors in memory, the plugins are real programs that write down what they
were told. tests/data/libcni holds what the reference did with the same lists.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.cni_rows import row

from polypod.cni import lists
from polypod.engine.doors import Doors, Settings
from polypod.errors import PolypodError
from polypod.foreign.run import ForeignDoor
from polypod.store.networks import NetworkFiles
from polypod.testing.node import Node, Sandbox

DATA = Path(__file__).parents[1] / "data" / "libcni"

PROGRAM = """#!{python} -S
import json, os, sys
raw = sys.stdin.read()
conf, verb = json.loads(raw), os.environ["CNI_COMMAND"]
name = os.path.basename(sys.argv[0])
with open({log!r}, "a") as log:
    variables = {{key: os.environ.get("CNI_" + key) for key in ("CONTAINERID", "IFNAME", "ARGS")}}
    log.write(json.dumps({{"plugin": name, "command": verb, "stdin": conf, **variables}}) + "\\n")
how = conf.get("fail", {{}}).get(verb)
if how == "json":
    print('{{"code": 11, "msg": "try later", "details": "busy"}}')
    sys.exit(1)
if how == "empty":
    sys.exit(3)
if how == "stderr":
    sys.stderr.write("boom\\n")
    sys.exit(1)
if how == "garbage":
    print("not json")
    sys.exit(1)
if how == "okgarbage":
    print("not json")
    sys.exit(0)
if how == "okempty" or verb != "ADD":
    sys.exit(0)
link = {{"mac": "02:00:00:00:00:01", "name": "eth0", "sandbox": os.environ["CNI_NETNS"]}}
own = {{
    "cniVersion": conf["cniVersion"],
    "interfaces": [link],
    "ips": [{{"address": "10.1.2.3/24", "interface": 0}}],
}}
print(json.dumps(conf.get("result") or conf.get("prevResult") or own))
"""


class Recorded(Node):
    """A node in memory with two real plugins, `rec` and `rec2`."""

    def place(self, folder: Path) -> None:
        self.folder = folder
        self.settings = Settings(path=(str(folder),), boot_id="boot-1")
        for name in ("rec", "rec2"):
            program = folder / name
            program.write_text(PROGRAM.format(python=sys.executable, log=str(folder / "log")))
            program.chmod(0o755)

    def doors(self) -> Doors:
        return replace(super().doors(), foreign=ForeignDoor())

    def chain(self, conf: dict[str, Any]) -> None:
        """Make this the primary's configuration."""
        self.networks.raw = json.dumps(conf).encode()

    def calls(self) -> list[dict[str, Any]]:
        """Return what the plugins were told since the last time."""
        log = self.folder / "log"
        found = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        log.unlink(missing_ok=True)
        return found

    def verbs(self) -> list[tuple[str, str]]:
        return [(call["command"], call["plugin"]) for call in self.calls()]


@pytest.fixture
def node(tmp_path: Path) -> Recorded:
    made = Recorded()
    made.place(tmp_path)
    return made


def conf(version: str = "1.0.0", first: Any = None, second: Any = None) -> dict[str, Any]:
    plugins = [{"type": "rec", **(first or {})}, {"type": "rec2", **(second or {})}]
    return {"cniVersion": version, "name": "mynet", "plugins": plugins}


def recorded(name: str) -> list[Any]:
    steps = json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))
    return [pytest.param(step, id=step["label"]) for step in steps]


def words(error: PolypodError) -> str:
    """Return an error as the reference joins it: msg, and details behind a semicolon."""
    return "; ".join(part for part in (error.cause, error.details) if part)


FAILED_ADDS = [
    one
    for one in recorded("failures")
    if one.values[0]["op"] == "add" and one.values[0]["exit_code"] == 1
]
MISSING = {
    "missing containerID": "required env variables [CNI_CONTAINERID] missing",
    "interface name is empty": "required env variables [CNI_IFNAME] missing",
}
"""What the process contract says before a list is looked at."""
NOT_JSON = "failed to unmarshal raw result: "


@row("U5")
@pytest.mark.parametrize("step", FAILED_ADDS)
def test_a_failed_plugin_is_told_in_the_same_words_and_leaves_nothing(
    node: Recorded, step: dict[str, Any]
) -> None:
    node.chain(step["conf"])
    sandbox = node.sandbox("ctr1")
    asked = replace(sandbox, container_id=step["container"], ifname=step["ifname"])

    with pytest.raises(PolypodError) as caught:
        node.add(asked)

    wanted = str(step["stdout"]).partition(" failed (add): ")[2].strip()
    said = words(caught.value)
    if NOT_JSON in wanted:
        assert NOT_JSON in said
    elif "diagnostic message" in wanted:
        assert wanted.partition('": ')[0] in said
    else:
        path = f"{node.folder} /opt/cni/bin"
        wanted = MISSING.get(wanted, wanted).replace("@TOOLS@/recbin @BIN@", path)
        assert wanted in said
    calls = node.calls()
    theirs = [(call["command"], call["plugin"]) for call in step["calls"]]
    assert [(call["command"], call["plugin"]) for call in calls][: len(theirs)] == theirs
    for call, other in zip(calls, step["calls"], strict=False):
        assert _placed(call["stdin"]) == _placed(other["stdin"])
    # The reference leaves it to the caller to take back what the first plugins did.
    started = [("DEL", plugin) for _, plugin in reversed(theirs)]
    assert [(call["command"], call["plugin"]) for call in calls][len(theirs) :] == started
    assert node.journal.all() == ()


def _placed(stdin: dict[str, Any]) -> str:
    """Return stdin without the path of the sandbox."""
    text = json.dumps(stdin, sort_keys=True)
    return text.replace("/run/netns/cnires-cont", "NETNS").replace("/run/netns/ctr1", "NETNS")


@row("U5")
def test_a_chain_tells_the_second_plugin_what_the_first_did(node: Recorded) -> None:
    step = next(one.values[0] for one in recorded("failures") if one.id == "add ok")
    node.chain(step["conf"])

    answer = node.add(node.sandbox("ctr1"))

    assert [_placed(call["stdin"]) for call in node.calls()] == [
        _placed(call["stdin"]) for call in step["calls"]
    ]
    del answer["cniVersion"]
    theirs = json.loads(step["stdout"])
    del theirs["cniVersion"]
    assert _placed(answer) == _placed(theirs)


def added(node: Recorded, config: dict[str, Any], *containers: str) -> list[Sandbox]:
    """Run ADD for containers, and forget what the plugins were told."""
    node.chain(config)
    sandboxes = [node.sandbox(name) for name in containers or ("ctr1",)]
    for sandbox in sandboxes:
        node.add(sandbox)
    node.calls()
    return sandboxes


@row("U2")
@pytest.mark.parametrize(("version", "told"), [("0.3.1", False), ("0.4.0", True)])
def test_del_shows_the_result_from_0_4_0_on(
    node: Recorded,
    version: str,
    told: bool,  # noqa: FBT001
) -> None:
    (sandbox,) = added(node, conf(version))

    node.delete(sandbox)

    calls = node.calls()
    assert [(call["command"], call["plugin"]) for call in calls] == [
        ("DEL", "rec2"),
        ("DEL", "rec"),
    ]
    assert ["prevResult" in call["stdin"] for call in calls] == [told, told]


@row("U3")
def test_check_asks_no_plugin_that_is_too_old_for_it(node: Recorded) -> None:
    (sandbox,) = added(node, conf("0.3.1"))

    node.check(sandbox)  # the reference refuses, which nobody can mend

    assert node.calls() == []


def test_check_shows_every_plugin_the_final_result(node: Recorded) -> None:
    (sandbox,) = added(node, conf("0.4.0"))

    node.check(sandbox)

    calls = node.calls()
    assert [(call["command"], call["plugin"]) for call in calls] == [
        ("CHECK", "rec"),
        ("CHECK", "rec2"),
    ]
    assert all("prevResult" in call["stdin"] for call in calls)


def test_the_first_failed_check_is_the_answer(node: Recorded) -> None:
    (sandbox,) = added(node, conf("1.0.0", first={"fail": {"CHECK": "json"}}))

    with pytest.raises(PolypodError) as caught:
        node.check(sandbox)

    assert (caught.value.code, words(caught.value)) == (11, "try later; busy")
    assert node.verbs() == [("CHECK", "rec")]


@row("U6")
def test_a_failed_del_is_told_and_may_be_repeated(node: Recorded) -> None:
    (sandbox,) = added(node, conf("1.0.0", second={"fail": {"DEL": "json"}}))

    for _ in range(2):
        with pytest.raises(PolypodError) as caught:
            node.delete(sandbox)

        assert "try later; busy" in words(caught.value)
        # The reference stops at the first failure: the other plugin would keep its things.
        assert node.verbs() == [("DEL", "rec2"), ("DEL", "rec")]
        assert len(node.journal.all()) == 1


@row("U8")
def test_gc_takes_back_what_is_not_listed_and_asks_every_plugin(node: Recorded) -> None:
    added(node, conf("1.1.0"), "ctrA", "ctrB")

    node.collect("ctrB")

    calls = node.calls()
    assert [(c["command"], c["plugin"], c["CONTAINERID"], c["IFNAME"]) for c in calls] == [
        ("DEL", "rec2", "ctrA", "eth0"),
        ("DEL", "rec", "ctrA", "eth0"),
        ("GC", "rec", "", ""),
        ("GC", "rec2", "", ""),
    ]
    assert "K8S_POD_INFRA_CONTAINER_ID=ctrA" in calls[0]["ARGS"]
    listed = [{"containerID": "ctrB", "ifname": "eth0"}]
    for call in calls[2:]:
        assert call["stdin"]["cni.dev/valid-attachments"] == listed
        assert call["stdin"]["cni.dev/attachments"] == listed
    assert [record.container_id for record in node.journal.all()] == ["ctrB"]


@row("U9")
def test_gc_of_an_older_list_is_del_alone(node: Recorded) -> None:
    added(node, conf("1.0.0"))

    node.collect()

    assert node.verbs() == [("DEL", "rec2"), ("DEL", "rec")]


# How a list is read.

OTHERWISE = {
    "empty name": "a network without a name has no place to keep its leases",
    "no plugins": "the reference says so when it is used, and in the words of its meta-plugin",
}
"""Lists that are read otherwise than by the reference, and why."""
GIVEN = [one for one in recorded("parse") if one.values[0]["conf"] is not None]
READ = [one for one in GIVEN if one.values[0]["exit_code"] == 0 and one.id not in OTHERWISE]
REFUSED = [one for one in GIVEN if one not in READ]
OWN_WORDS = {
    "not json": "error parsing configuration list: ",
    "plugin not object": "failed to parse plugin config 0: error parsing configuration: ",
    "cniVersions bad type": "error parsing configuration list: invalid type for cniVersions: ",
    "cniVersions bad element": (
        "error parsing configuration list: invalid cniVersions entry x at index 0"
    ),
}
"""How a refusal begins where the rest is what a JSON decoder says, or a type that is wanted."""


def parsed(step: dict[str, Any]) -> lists.NetworkList:
    given = step["conf"]
    return lists.parse_list((given if isinstance(given, str) else json.dumps(given)).encode())


@row("U11")
@pytest.mark.parametrize("step", READ)
def test_a_list_is_read_as_the_reference_reads_it(step: dict[str, Any]) -> None:
    found = parsed(step)

    told = dict(part.split("=") for part in step["stdout"].splitlines()[0].split())
    assert told["name"] == json.dumps(found.name)
    assert told["plugins"] == str(len(found.plugins))
    assert told["cniVersion"] in {json.dumps(found.cni_version), '""'}
    assert told["disableCheck"] == str(found.disable_check).lower()
    assert told["disableGC"] == str(found.disable_gc).lower()


@row("U11")
@pytest.mark.parametrize("step", REFUSED)
def test_a_list_is_refused_in_the_references_words(step: dict[str, Any]) -> None:
    with pytest.raises(PolypodError) as caught:
        parsed(step)

    cause, label = caught.value.cause, step["label"]
    if label in OWN_WORDS:
        assert cause.startswith(OWN_WORDS[label])
    elif label not in OTHERWISE:
        assert cause == step["stdout"].removeprefix("ERROR ").strip()


@row("U12")
def test_a_broken_file_hides_no_other(tmp_path: Path) -> None:
    (tmp_path / "10-a.conf").write_text('{"cniVersion":"1.0.0","name":"a","type":"rec"}')
    (tmp_path / "60-g.conflist").write_text("{")  # the reference finds no .conf beside it

    found = NetworkFiles(None, tmp_path).by_name("a")

    assert found is not None and lists.parse_list(found).plugins[0]["type"] == "rec"
    assert NetworkFiles(None, tmp_path).by_name("g") is None
