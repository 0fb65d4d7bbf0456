"""Section A: the plugins as ordinary executables, started for real.

Environment and stdin in, one JSON document on stdout and an exit status out.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.conformance import cni_world
from tests.conformance.cni_rows import row, table
from tests.conformance.cni_world import HOST, NETNS, World

from polypod.cli.names import PLUGIN_NAMES
from polypod.cni.labels import ALL_VERSIONS

PLUGIN = "bridge"
CONF = {"cniVersion": "1.0.0", "name": "mynet", "type": PLUGIN, "bridge": "br0"}
ENVIRONMENT = {
    "CNI_CONTAINERID": "dummy",
    "CNI_NETNS": str(NETNS / cni_world.SANDBOX),
    "CNI_IFNAME": "eth0",
    "CNI_PATH": "/nonexistent",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of executables, as an operator makes it."""
    place = tmp_path_factory.mktemp("cni-bin")
    subprocess.run(
        [sys.executable, "-m", "polypod.cli.main", "plugin", "--links", str(place)],
        check=True,
        capture_output=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    return place


def started(
    executable: Path, variables: Mapping[str, str | None], stdin: object = None
) -> subprocess.CompletedProcess[str]:
    """Start an executable in the host with nothing but these variables."""
    given = {key: value for key, value in variables.items() if value is not None}
    inside = ["ip", "netns", "exec", HOST] if (NETNS / HOST).exists() else []
    return subprocess.run(
        [*inside, str(executable)],
        input=stdin if isinstance(stdin, str) else json.dumps(stdin),
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **given},
        timeout=30,
    )


def command(verb: str, **changes: str | None) -> dict[str, str | None]:
    return {"CNI_COMMAND": verb, **ENVIRONMENT, **changes}


def error_of(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Return the one JSON document of a failed run."""
    assert (done.returncode, done.stderr) == (1, "")
    found = json.loads(done.stdout)
    assert list(found) in (["code", "msg"], ["code", "msg", "details"])
    assert not done.stdout.endswith("\n") and '\n    "msg"' in done.stdout
    return dict(found)


@row("A1")
@pytest.mark.parametrize("name", sorted(PLUGIN_NAMES))
def test_without_a_command_it_says_what_it_is_on_stderr(folder: Path, name: str) -> None:
    done = started(folder / name, {}, "")

    assert (done.returncode, done.stdout) == (0, "")
    first, second = done.stderr.splitlines()
    assert first.startswith(f"CNI {name} plugin ")
    assert second == f"CNI protocol versions supported: {', '.join(ALL_VERSIONS)}"


@row("A2")
@pytest.mark.parametrize("stdin", ["", "garbage", '{"cniVersion":"0.4.0"}'])
@pytest.mark.parametrize("name", sorted(PLUGIN_NAMES))
def test_version_is_one_line_whatever_stdin_says(folder: Path, name: str, stdin: str) -> None:
    done = started(folder / name, {"CNI_COMMAND": "VERSION"}, stdin)

    listed = ",".join(f'"{version}"' for version in ALL_VERSIONS)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f'{{"cniVersion":"1.1.0","supportedVersions":[{listed}]}}\n'


@row("A4")
@pytest.mark.parametrize("type_", ["bridge", "macvlan", "loopback", "static"])
def test_del_needs_no_namespace(folder: Path, world: World, type_: str) -> None:
    del world
    conf = {**CONF, "type": type_, "ipam": {"type": "static"}}

    done = started(folder / type_, command("DEL", CNI_NETNS=None), conf)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@table(
    "verb, changes, code, msg, details",
    ("A5", "FOO", {}, 4, "unknown CNI_COMMAND: FOO", None),
    (
        "A7",
        "ADD",
        {"CNI_IFNAME": "a" * 16},
        4,
        "interface name is too long",
        "interface name should be less than 16 characters",
    ),
    *(
        (
            f"A8-{number}",
            "ADD",
            {"CNI_IFNAME": name},
            4,
            "interface name contains / or : or whitespace characters",
            None,
        )
        for number, name in enumerate(("a/b", "a:b", "a b"))
    ),
    (
        "A5-missing",
        "ADD",
        {"CNI_CONTAINERID": None, "CNI_NETNS": None},
        4,
        "required env variables [CNI_CONTAINERID,CNI_NETNS] missing",
        None,
    ),
    ("A5-id", "DEL", {"CNI_CONTAINERID": "-a"}, 4, "invalid characters in containerID", "-a"),
    ("A20", "ADD", {"CNI_ARGS": "FOO"}, 999, 'ARGS: invalid pair "FOO"', None),
)
def test_a_bad_variable_is_told_by_code_and_words(
    folder: Path,
    world: World,
    verb: str,
    changes: dict[str, str | None],
    code: int,
    msg: str,
    details: str | None,
) -> None:
    found = error_of(started(folder / PLUGIN, command(verb, **changes), CONF))

    assert (found["code"], found["msg"], found.get("details")) == (code, msg, details)
    assert world.link("br0") is None


@table(
    "stdin, code, msg, details",
    ("A10", {}, 7, "missing network name", None),
    ("A10-empty", {"cniVersion": "1.0.0", "name": ""}, 7, "missing network name", None),
    ("A10-signs", {"name": "-x"}, 7, "invalid characters found in network name", "-x"),
    (
        "A13",
        {**CONF, "cniVersion": "9.9.9"},
        1,
        "incompatible CNI versions",
        (
            'config is "9.9.9", plugin supports'
            ' ["0.1.0" "0.2.0" "0.3.0" "0.3.1" "0.4.0" "1.0.0" "1.1.0"]'
        ),
    ),
)
def test_a_bad_configuration_is_told_by_code_and_words(
    folder: Path, stdin: object, code: int, msg: str, details: str | None
) -> None:
    found = error_of(started(folder / PLUGIN, command("ADD"), stdin))

    assert (found["code"], found["msg"], found.get("details")) == (code, msg, details)


@table(
    "stdin, start",
    ("A11", "not json", "error unmarshall network config"),
    ("A11-empty", "", "error unmarshall network config"),
    ("A11-list", "[1]", "error unmarshall network config"),
    (
        "A11-version",
        '{"name":"mynet","cniVersion":1}',
        "decoding version from network config: ",
    ),
)
def test_what_is_no_configuration_is_a_decoding_failure(
    folder: Path, stdin: str, start: str
) -> None:
    found = error_of(started(folder / PLUGIN, command("ADD"), stdin))

    assert found["code"] == 6 and found["msg"].startswith(start)


@row("A14")
def test_without_a_version_it_is_the_oldest(folder: Path, world: World) -> None:
    conf = {"name": "mynet", "type": "static", "ipam": {"addresses": [{"address": "10.0.0.1/8"}]}}

    done = started(folder / "static", command("ADD"), conf)

    assert world.link("br0") is None
    assert json.loads(done.stdout) == {
        "cniVersion": "0.1.0",
        "ip4": {"ip": "10.0.0.1/8"},
        "dns": {},
    }


@table(
    "verb, version, msg",
    ("A16-STATUS", "STATUS", "1.0.0", "config version does not allow STATUS"),
    ("A16-GC", "GC", "1.0.0", "config version does not allow GC"),
    ("A16-CHECK", "CHECK", "0.3.1", "config version does not allow CHECK"),
)
def test_a_version_without_the_command_is_refused(
    folder: Path, verb: str, version: str, msg: str
) -> None:
    found = error_of(started(folder / PLUGIN, command(verb), {**CONF, "cniVersion": version}))

    assert found == {"code": 1, "msg": msg}


@row("A17")
@pytest.mark.parametrize("verb", ["GC", "STATUS"])
@pytest.mark.parametrize("name", sorted(PLUGIN_NAMES))
def test_gc_and_status_say_nothing_and_change_nothing(folder: Path, name: str, verb: str) -> None:
    conf = {"cniVersion": "1.1.0", "name": "mynet", "cni.dev/valid-attachments": []}

    done = started(folder / name, {"CNI_COMMAND": verb, "CNI_PATH": "/nonexistent"}, conf)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@row("A19")
def test_an_override_allows_the_plugins_own_namespace(folder: Path, world: World) -> None:
    own = str(NETNS / HOST)
    conf = {"cniVersion": "1.0.0", "name": "mynet", "type": "loopback"}

    guarded = started(folder / "loopback", command("ADD", CNI_NETNS=own), conf)
    allowed = started(
        folder / "loopback", command("ADD", CNI_NETNS=own, CNI_NETNS_OVERRIDE="TRUE"), conf
    )

    assert error_of(guarded) == {
        "code": 8,
        "msg": "plugin's netns and netns from CNI_NETNS should not be the same",
    }
    assert allowed.returncode == 0 and json.loads(allowed.stdout)["interfaces"][0]["name"] == "lo"
    assert world.link("lo") is not None


@row("A22")
def test_unknown_arguments_are_allowed_on_request(folder: Path, world: World) -> None:
    variables = command("ADD", CNI_ARGS="IgnoreUnknown=1;K8S_POD_NAME=x")

    done = started(folder / PLUGIN, variables, CONF)

    assert done.returncode == 0 and world.link("br0") is not None


def test_a_result_has_four_spaces_and_no_newline_at_its_end(folder: Path, world: World) -> None:
    done = started(folder / PLUGIN, command("ADD"), CONF)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith('{\n    "cniVersion": "1.0.0",\n    "interfaces": [\n        {')
    assert not done.stdout.endswith("\n")
    assert world.link("eth0", cni_world.SANDBOX) is not None


DEFAULT_FOLDER = """{
    "cniVersion": "1.0.0",
    "ips": [
        {
            "address": "10.1.2.2/24",
            "gateway": "10.1.2.1"
        }
    ]
}
755 d networks
755 d networks/mynet
600 f networks/mynet/10.1.2.2
600 f networks/mynet/last_reserved_ip.0
750 f networks/mynet/lock
dummy\r
eth0
10.1.2.2"""


def test_leases_lie_where_the_reference_puts_them(folder: Path) -> None:
    ipam = {"type": "host-local", "subnet": "10.1.2.0/24"}
    script = (
        "mkdir -p /var/lib/cni && mount -t tmpfs tmpfs /var/lib/cni && cd /var/lib/cni\n"
        f"{folder}/host-local; echo\n"
        "find . -mindepth 1 -printf '%m %y %P\\n' | sort -k3\n"
        "cat networks/mynet/10.1.2.2; echo; cat networks/mynet/last_reserved_ip.0"
    )

    done = subprocess.run(
        ["unshare", "-m", "--propagation", "private", "sh", "-c", script],
        input=json.dumps({**CONF, "ipam": ipam}).encode(),
        capture_output=True,
        check=True,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "CNI_COMMAND": "ADD", **ENVIRONMENT},
    )

    assert done.stdout.decode() == DEFAULT_FOLDER


def test_html_signs_of_an_error_are_escaped(folder: Path) -> None:
    done = started(folder / PLUGIN, command("ADD", CNI_ARGS="<&>"), CONF)

    assert r"ARGS: invalid pair \"\u003c\u0026\u003e\"" in done.stdout


def test_version_imports_next_to_nothing(folder: Path) -> None:
    program = (
        "import os, sys\n"
        "os.environ['CNI_COMMAND'] = 'VERSION'\n"
        "from polypod.cli.main import main\n"
        f"main([{str(folder / PLUGIN)!r}])\n"
        "print(*sorted(name for name in sys.modules if name.partition('.')[0] in"
        " {'polypod', 'msgspec', 'click', 'json', 'pathlib', 'typing', 're', 'ipaddress'}))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{program}"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.splitlines()[-1].split() == [
        "polypod",
        "polypod.cli",
        "polypod.cli.main",
        "polypod.cli.names",
        "polypod.cli.plugin",
        "polypod.cni",
        "polypod.cni.labels",
    ]


def test_links_never_replace_a_file_of_somebody_else(tmp_path: Path) -> None:
    theirs = tmp_path / "bridge"
    theirs.write_text("#!/bin/sh\necho theirs\n")

    done = subprocess.run(
        [sys.executable, "-m", "polypod.cli.main", "plugin", "--links", str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )

    assert theirs.read_text() == "#!/bin/sh\necho theirs\n"
    assert f"{theirs} (kept: it is not ours)" in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == set(PLUGIN_NAMES)


def test_a_type_can_be_named_on_the_command_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "polypod.cli.main", "plugin", "host-local"],
        check=False,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path), "CNI_COMMAND": "ADD"},
        input="{}",
    )

    assert json.loads(done.stdout)["msg"].startswith("required env variables [CNI_CONTAINERID")
