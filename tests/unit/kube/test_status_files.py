"""network-status as files: whole or not there, and never outside their folder."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from polypod.kube.status_files import StatusFiles


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize(
    ("namespace", "pod"),
    [
        ("..", "p"),
        ("../x", "p"),
        ("a/b", "p"),
        ("", "p"),
        ("ns", ""),
        ("ns", ".."),
        ("ns", "../../etc/passwd"),
        ("ns", "a\0b"),
        ("ns", ".hidden"),
        ("NS", "p"),
        ("ns", "p" * 300),
        ("ns", "p\n"),
    ],
)
def test_a_name_that_no_pod_has_is_refused(tmp_path: Path, namespace: str, pod: str) -> None:
    sink = StatusFiles(tmp_path / "status")

    sink.write(namespace, pod, "[]")
    sink.remove(namespace, pod)

    assert files(tmp_path) == []


def test_nothing_is_left_of_a_namespace_without_pods(tmp_path: Path) -> None:
    sink = StatusFiles(tmp_path)
    sink.write("ns", "a", "[]")
    sink.write("ns", "b.c-d", "[]")

    sink.remove("ns", "a")
    one_left = files(tmp_path)
    sink.remove("ns", "b.c-d")

    assert one_left == ["ns", "ns/b.c-d.json"]
    assert files(tmp_path) == []


def test_a_folder_that_cannot_be_written_never_fails_an_add(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "ns").write_text("a file in the way", encoding="utf-8")

    with caplog.at_level(logging.ERROR):
        StatusFiles(tmp_path).write("ns", "p", "[]")

    assert "status.unwritten" in caplog.text


def test_a_status_that_cannot_be_removed_never_fails_a_delete(tmp_path: Path) -> None:
    (tmp_path / "ns").write_text("a file in the way", encoding="utf-8")
    (tmp_path / "other" / "p.json").mkdir(parents=True)

    StatusFiles(tmp_path).remove("ns", "p")
    StatusFiles(tmp_path).remove("other", "p")

    assert files(tmp_path) == ["ns", "other", "other/p.json"]
