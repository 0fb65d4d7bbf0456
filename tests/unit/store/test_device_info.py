"""Files that tell of devices: copied whole, bounded, and never a reason to fail."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from polypod.store.device_info import MAX_BYTES, DeviceInfoFiles


@pytest.fixture
def files(tmp_path: Path) -> DeviceInfoFiles:
    (tmp_path / "dp").mkdir()
    return DeviceInfoFiles(tmp_path)


def test_a_copy_can_be_read_by_everybody_and_changed_by_nobody(
    files: DeviceInfoFiles, tmp_path: Path
) -> None:
    (tmp_path / "dp" / "a").write_text("{}", encoding="utf-8")

    files.copy("a", "b")

    copied = Path(files.path("b"))
    assert (copied.read_text(), stat.S_IMODE(copied.stat().st_mode)) == ("{}", 0o444)
    assert stat.S_IMODE(copied.parent.stat().st_mode) == 0o755
    assert files.read("b") == b"{}"


def test_a_copy_replaces_what_another_life_left(files: DeviceInfoFiles, tmp_path: Path) -> None:
    for content in ("old", "new"):
        (tmp_path / "dp" / "a").write_text(content, encoding="utf-8")
        files.copy("a", "b")

    assert files.read("b") == b"new"


def test_what_is_not_there_is_neither_copied_nor_missed(
    files: DeviceInfoFiles, tmp_path: Path
) -> None:
    files.copy("a", "b")
    files.remove("b")

    assert files.read("b") is None
    assert not (tmp_path / "cni").exists()


def test_remove_twice(files: DeviceInfoFiles, tmp_path: Path) -> None:
    (tmp_path / "dp" / "a").write_text("{}", encoding="utf-8")
    files.copy("a", "b")

    files.remove("b")
    files.remove("b")

    assert list((tmp_path / "cni").iterdir()) == []


@pytest.mark.parametrize("kind", ["link", "fifo", "folder", "long"])
def test_only_plain_files_of_a_sane_size_are_read(
    files: DeviceInfoFiles, tmp_path: Path, kind: str
) -> None:
    place = tmp_path / "dp" / "a"
    match kind:
        case "link":
            place.symlink_to("/etc/hostname")
        case "fifo":
            os.mkfifo(place)
        case "folder":
            place.mkdir()
        case _:
            place.write_bytes(b"x" * (MAX_BYTES + 1))

    files.copy("a", "b")

    assert files.read("b") is None


@pytest.mark.parametrize("name", ["x" * 300, "a\0b"])
def test_names_that_no_file_can_have_are_logged(
    files: DeviceInfoFiles, tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "dp" / "a").write_text("{}", encoding="utf-8")

    files.copy("a", name)
    files.remove(name)

    assert "device_info.not_copied" in caplog.text
    assert "device_info.not_removed" in caplog.text
    assert files.read(name) is None
