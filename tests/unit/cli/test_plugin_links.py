"""`polypod plugin --links`: executables that are plugins, beside files of others."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from polypod.cli import main as entry
from polypod.cli.names import PLUGIN_NAMES


def make(folder: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert entry.main(["polypod", "plugin", "--links", str(folder)]) == 0
    return capsys.readouterr().out.splitlines()


def version(path: Path) -> dict[str, object]:
    environment = {"CNI_COMMAND": "VERSION", "PATH": "/usr/bin:/bin"}
    done = subprocess.run([path], env=environment, capture_output=True, check=True, timeout=30)
    return dict(json.loads(done.stdout))


def test_every_type_is_an_executable_of_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = make(tmp_path / "new", capsys)

    assert lines == [str(tmp_path / "new" / name) for name in sorted(PLUGIN_NAMES)]
    assert version(tmp_path / "new" / "bridge")["cniVersion"] == "1.1.0"


def test_links_can_be_made_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert make(tmp_path, capsys) == make(tmp_path, capsys)


def test_what_is_not_ours_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bridge").write_bytes(b"\x7fELF")
    (tmp_path / "tuning").symlink_to("nowhere")
    (tmp_path / "static").mkdir()

    lines = make(tmp_path, capsys)

    kept = [line for line in lines if line.endswith("(kept: it is not ours)")]
    assert [Path(line.split(" ", 1)[0]).name for line in kept] == ["bridge", "static", "tuning"]
    assert (tmp_path / "bridge").read_bytes() == b"\x7fELF"
    assert (tmp_path / "tuning").is_symlink()


def test_a_python_with_a_space_in_its_path_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "my $HOME"
    folder.mkdir()
    (folder / "python").symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))

    make(tmp_path / "bin", capsys)

    assert version(tmp_path / "bin" / "macvlan")["cniVersion"] == "1.1.0"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "TYPE is one of: bridge"),
        (("brdge",), "did you mean bridge?"),
        (("zzz",), "known: bridge"),
        (("bridge", "--links", "d"), "give bridge alone"),
    ],
    ids=["nothing", "nearly", "unknown", "both"],
)
def test_wrong_usage_is_told(
    words: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert entry.main(["polypod", "plugin", *words]) == 2
    assert told in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()

    assert entry.main(["polypod", "plugin", "--links", str(tmp_path / "file" / "dir")]) == 1
    assert "hint: name another DIR" in capsys.readouterr().err
