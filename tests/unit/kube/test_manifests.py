"""A folder of manifests: what is read, what is wrong, and when a change is seen."""

from __future__ import annotations

import json
import logging
import os
import threading
from pathlib import Path

import pytest

from polypod.kube import documents
from polypod.kube.documents import Problem
from polypod.kube.manifests import EVERY_S, ManifestSource
from polypod.testing.clock import FakeClock

POD = """\
kind: Pod
metadata:
  name: {name}
  namespace: ns
  annotations: {{k8s.v1.cni.cncf.io/networks: "{networks}"}}
"""
NAD = """\
kind: NetworkAttachmentDefinition
metadata: {{name: {name}, namespace: ns}}
spec:
  config: '{{"cniVersion": "1.0.0", "type": "{type}"}}'
"""


class Counting(ManifestSource):
    """Counts how often the folder is looked at."""

    looks = 0

    def _reload(self) -> bool:
        self.looks += 1
        return super()._reload()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def opened(folder: Path, clock: FakeClock | None = None) -> Counting:
    return Counting(folder, clock=(clock or FakeClock()).monotonic)


def write(folder: Path, name: str, *parts: str, age_s: float = 10.0) -> None:
    """Write a file that looks as if it had been there for a while."""
    path = folder / name
    path.write_text("---\n".join(parts), encoding="utf-8")
    moment = path.stat().st_mtime - age_s
    os.utime(path, (moment, moment))


def kinds(source: ManifestSource) -> tuple[list[str], str | None]:
    found = source.definition("ns", "net")
    return [pod.name for pod in source.pods()], None if found is None else found.config


def test_a_file_may_have_several_documents(tmp_path: Path) -> None:
    write(
        tmp_path,
        "all.yaml",
        POD.format(name="a", networks="net"),
        NAD.format(name="net", type="macvlan"),
        "kind: Service\nmetadata: {name: x}\n",
        POD.format(name="b", networks=""),
        "",
    )

    source = opened(tmp_path)

    assert kinds(source) == (["a", "b"], '{"cniVersion": "1.0.0", "type": "macvlan"}')
    assert source.problems() == ()
    pod = source.pod("ns", "a")
    assert pod is not None
    assert pod.annotations == {"k8s.v1.cni.cncf.io/networks": "net"}


@pytest.mark.parametrize("kind", ["List", "PodList"])
def test_a_list_is_read_as_its_members(tmp_path: Path, kind: str) -> None:
    members = [{"kind": "Pod", "metadata": {"name": name}} for name in ("a", "b")]
    write(tmp_path, "list.json", json.dumps({"kind": kind, "items": members}))

    assert [pod.name for pod in opened(tmp_path).pods()] == ["a", "b"]


def test_a_namespace_that_is_not_said_is_default(tmp_path: Path) -> None:
    write(tmp_path, "p.yml", "kind: Pod\nmetadata: {name: p, uid: 1}\nspec: {hostNetwork: true}\n")

    pod = opened(tmp_path).pod("default", "p")

    assert pod is not None
    assert (pod.uid, pod.host_network, pod.static) == ("1", True, False)


def test_other_files_are_passed_over(tmp_path: Path) -> None:
    for name in ("readme.md", ".hidden.yaml", "p.yaml~", "p.yaml.swp"):
        write(tmp_path, name, POD.format(name="p", networks=""))
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "broken-link.yaml").symlink_to(tmp_path / "none")

    source = opened(tmp_path)

    assert source.pods() == ()
    assert [(one.file, one.text) for one in source.problems()] == [
        ("folder.yaml", "Is a directory")
    ]


def test_the_last_file_in_the_alphabet_wins(tmp_path: Path) -> None:
    write(tmp_path, "20.yaml", NAD.format(name="net", type="bridge"))
    write(tmp_path, "10.yaml", NAD.format(name="net", type="macvlan"))

    assert kinds(opened(tmp_path))[1] == '{"cniVersion": "1.0.0", "type": "bridge"}'


def test_a_folder_that_is_not_there_is_empty_until_it_is(tmp_path: Path) -> None:
    source = opened(tmp_path / "later")
    assert source.pods() == ()

    (tmp_path / "later").mkdir()
    write(tmp_path / "later", "p.yaml", POD.format(name="p", networks=""))

    assert source.pod("ns", "p") is not None


# What is wrong is told with its file and line, and stops nothing else.

BROKEN = {
    "yaml": ("kind: Pod\nmetadata: {name: p\n", 3),
    "tabs": ("kind: Pod\n\tmetadata: x\n", 2),
    "not-utf8": ("kind: \udcff\n", 1),
    "control": ("kind: \x01\n", 1),
    "no-name": ("# a comment\nkind: Pod\nmetadata: {}\n", 2),
    "name-no-text": ("kind: Pod\nmetadata: {name: [a]}\n", 1),
    "namespace-no-text": ("kind: Pod\nmetadata: {name: a, namespace: [b]}\n", 1),
    "config-no-text": (
        "kind: NetworkAttachmentDefinition\nmetadata: {name: n}\nspec: {config: {}}\n",
        1,
    ),
    "config-no-json": (
        "---\n---\nkind: NetworkAttachmentDefinition\nmetadata: {name: n}\nspec: {config: '{'}\n",
        3,
    ),
    "config-no-type": (
        "kind: NetworkAttachmentDefinition\nmetadata: {name: n}\nspec: {config: '{}'}\n",
        1,
    ),
    "an-object-of-python": ("!!python/object/apply:os.system ['true']\n", 1),
    "itself": ("&a {kind: List, items: [*a]}\n", 1),
    "deep": ("[" * 5000, 1),
}


@pytest.mark.parametrize(("text", "line"), BROKEN.values(), ids=BROKEN.keys())
def test_what_is_wrong_is_told_and_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str, line: int
) -> None:
    write(tmp_path, "good.yaml", POD.format(name="good", networks=""))
    (tmp_path / "bad.yaml").write_bytes(text.encode(errors="surrogateescape"))

    with caplog.at_level(logging.WARNING):
        source = opened(tmp_path)

    assert source.pod("ns", "good") is not None
    (problem,) = source.problems()
    assert (problem.file, problem.line) == ("bad.yaml", line)
    assert problem.text
    assert [record.getMessage().partition(" cause=")[0] for record in caplog.records] == [
        f"manifest.problem file=bad.yaml line={line}"
    ]


def test_a_file_that_is_too_long_is_not_read(tmp_path: Path) -> None:
    write(tmp_path, "bad.yaml", "#" * (documents.MAX_BYTES + 1))

    assert opened(tmp_path).problems() == (Problem("bad.yaml", 1, "longer than 4 MiB"),)


def test_a_problem_is_logged_once_for_as_long_as_it_lasts(
    tmp_path: Path, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "bad.yaml").write_text("[", encoding="utf-8")
    source = opened(tmp_path, clock)

    for _ in range(3):
        clock.advance(EVERY_S)
        source.problems()

    assert len(caplog.records) == 1


def test_a_file_that_breaks_keeps_what_it_said(tmp_path: Path, clock: FakeClock) -> None:
    good = (POD.format(name="p", networks="net"), NAD.format(name="net", type="macvlan"))
    write(tmp_path, "all.yaml", *good)
    source = opened(tmp_path, clock)
    before = kinds(source)

    write(tmp_path, "all.yaml", POD.format(name="p", networks="net"), "kind: [", age_s=5)
    clock.advance(EVERY_S)

    assert kinds(source) == before
    assert [problem.file for problem in source.problems()] == ["all.yaml"]

    write(tmp_path, "all.yaml", POD.format(name="q", networks=""), age_s=1)
    clock.advance(EVERY_S)

    assert kinds(source) == (["q"], None)
    assert source.problems() == ()


def test_a_definition_that_cannot_be_used_does_not_bring_others_back(
    tmp_path: Path, clock: FakeClock
) -> None:
    write(
        tmp_path,
        "all.yaml",
        NAD.format(name="net", type="macvlan"),
        NAD.format(name="old", type="macvlan"),
    )
    source = opened(tmp_path, clock)

    write(tmp_path, "all.yaml", NAD.format(name="net", type=""), age_s=5)
    clock.advance(EVERY_S)

    assert source.definition("ns", "old") is None
    assert kinds(source)[1] == '{"cniVersion": "1.0.0", "type": ""}'
    assert "type" in source.problems()[0].text


# When a change is seen.


def test_what_was_not_there_is_looked_for_at_once(tmp_path: Path, clock: FakeClock) -> None:
    source = opened(tmp_path, clock)
    assert source.definition("ns", "net") is None

    write(tmp_path, "net.yaml", NAD.format(name="net", type="macvlan"))

    assert source.definition("ns", "net") is not None


def test_a_change_is_seen_after_a_moment(tmp_path: Path, clock: FakeClock) -> None:
    write(tmp_path, "net.yaml", NAD.format(name="net", type="macvlan"))
    source = opened(tmp_path, clock)

    write(tmp_path, "net.yaml", NAD.format(name="net", type="bridge"), age_s=5)
    clock.advance(EVERY_S)

    found = source.definition("ns", "net")
    assert found is not None
    assert "bridge" in str(found.config)


def test_a_file_that_is_gone_is_forgotten_after_a_moment(tmp_path: Path, clock: FakeClock) -> None:
    write(tmp_path, "net.yaml", NAD.format(name="net", type="macvlan"))
    source = opened(tmp_path, clock)

    (tmp_path / "net.yaml").unlink()
    clock.advance(EVERY_S)

    assert source.definition("ns", "net") is None


def test_a_change_in_one_tick_of_the_file_systems_clock_is_seen(
    tmp_path: Path, clock: FakeClock
) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(NAD.format(name="net", type="macvlan"), encoding="utf-8")
    stat = path.stat()
    source = opened(tmp_path, clock)

    path.write_text(NAD.format(name="net", type="machine"), encoding="utf-8")
    os.utime(path, ns=(stat.st_mtime_ns, stat.st_mtime_ns))
    clock.advance(EVERY_S)

    found = source.definition("ns", "net")
    assert found is not None
    assert "machine" in str(found.config)


def test_a_config_map_that_is_swapped_is_seen(tmp_path: Path, clock: FakeClock) -> None:
    """As the kubelet does: files are links through a link to a folder, which is replaced."""
    for number, type_ in ((1, "macvlan"), (2, "bridge")):
        (tmp_path / f"..{number}").mkdir()
        write(tmp_path / f"..{number}", "net.yaml", NAD.format(name="net", type=type_))
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "net.yaml").symlink_to("..data/net.yaml")
    source = opened(tmp_path, clock)

    (tmp_path / "..new").symlink_to("..2")
    (tmp_path / "..new").rename(tmp_path / "..data")
    clock.advance(EVERY_S)

    found = source.definition("ns", "net")
    assert found is not None
    assert "bridge" in str(found.config)


def test_a_burst_of_questions_looks_at_the_folder_once(tmp_path: Path, clock: FakeClock) -> None:
    for number in range(1000):
        write(tmp_path, f"{number}.yaml", NAD.format(name=f"net{number}", type="macvlan"))
    source = opened(tmp_path, clock)
    clock.advance(EVERY_S)
    found: list[bool] = []

    def asks(number: int) -> None:
        found.extend(
            source.definition("ns", f"net{(number * 16 + place) % 1000}") is not None
            for place in range(16)
        )

    threads = [threading.Thread(target=asks, args=(number,)) for number in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [True] * 1024
    assert source.looks == 2
