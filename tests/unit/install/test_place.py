"""The shim gets onto a node and off it again: whole, at any time, over nobody's file."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import pytest

from polypod.errors import ConflictError, StorageError
from polypod.install import place
from polypod.install.place import LINK_NAMES, SHIM_NAME


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def version(program: Path) -> int:
    variables = {"CNI_COMMAND": "VERSION"}
    return subprocess.run(
        [program], env=variables, stdout=subprocess.DEVNULL, check=False
    ).returncode


def test_the_shim_is_placed_whole_and_executable(tmp_path: Path) -> None:
    placed = place.install_shim(tmp_path, links=False)

    assert placed.ours == (tmp_path / SHIM_NAME,) and not placed.kept
    assert names(tmp_path) == {SHIM_NAME}
    assert (tmp_path / SHIM_NAME).stat().st_mode & 0o7777 == 0o755
    assert version(tmp_path / SHIM_NAME) == 0


def test_links_are_made_under_every_plugins_name_and_lead_to_the_shim(tmp_path: Path) -> None:
    place.install_shim(tmp_path, links=True)

    assert names(tmp_path) == {SHIM_NAME, *LINK_NAMES}
    assert all(version(tmp_path / name) == 0 for name in LINK_NAMES)


def test_names_that_belong_to_others_are_kept_and_told(tmp_path: Path) -> None:
    (tmp_path / "bridge").write_text("flannel's")
    (tmp_path / "static").symlink_to("elsewhere")

    placed = place.install_shim(tmp_path, links=True)

    assert placed.kept == (tmp_path / "bridge", tmp_path / "static")
    assert (tmp_path / "bridge").read_text() == "flannel's"
    assert os.readlink(tmp_path / "static") == "elsewhere"


def test_placing_again_changes_nothing(tmp_path: Path) -> None:
    first = place.install_shim(tmp_path, links=True)
    before = (tmp_path / SHIM_NAME).stat()

    assert place.install_shim(tmp_path, links=True) == first

    assert (tmp_path / SHIM_NAME).stat().st_ino == before.st_ino


def test_a_mode_that_was_changed_is_put_right(tmp_path: Path) -> None:
    place.install_shim(tmp_path, links=False)
    (tmp_path / SHIM_NAME).chmod(0o600)

    place.install_shim(tmp_path, links=False)

    assert (tmp_path / SHIM_NAME).stat().st_mode & 0o7777 == 0o755


def test_another_program_of_that_name_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / SHIM_NAME).write_text("#!/bin/sh\n")

    with pytest.raises(ConflictError):
        place.install_shim(tmp_path, links=True)

    assert (tmp_path / SHIM_NAME).read_text() == "#!/bin/sh\n"
    assert names(tmp_path) == {SHIM_NAME}


def test_an_older_shim_is_replaced_while_it_runs(tmp_path: Path) -> None:
    target = tmp_path / SHIM_NAME
    target.write_bytes(place.shim_binary().read_bytes() + b"\0")  # a release of another length
    target.chmod(0o755)
    waiting = subprocess.Popen([target], stdin=subprocess.PIPE, env={"CNI_COMMAND": "ADD"})
    failures: list[int] = []
    done = threading.Event()

    def execute() -> None:
        while not done.is_set():
            failures.extend([code] if (code := version(target)) else [])

    caller = threading.Thread(target=execute)
    caller.start()
    for number in range(20):
        place.install_shim(tmp_path, links=False)
        if number < 19:
            fresh = tmp_path / "older"
            fresh.write_bytes(place.shim_binary().read_bytes() + b"\0" * number)
            fresh.chmod(0o755)
            fresh.rename(target)
    done.set()
    caller.join()

    assert waiting.poll() is None and not failures
    waiting.kill()
    waiting.communicate()
    assert target.read_bytes() == place.shim_binary().read_bytes()


def test_a_folder_that_is_not_there_is_an_error_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as raised:
        place.install_shim(tmp_path / "missing", links=True)
    assert "missing" in raised.value.cause and raised.value.hint


def test_what_is_ours_is_removed_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "bridge").write_text("flannel's")
    (tmp_path / "portmap").write_text("another plugin")
    place.install_shim(tmp_path, links=True)
    (tmp_path / ".polypod-left-by-a-crash").touch()

    removed = place.remove_shim(tmp_path)

    assert names(tmp_path) == {"bridge", "portmap"}
    assert tmp_path / SHIM_NAME in removed.ours and removed.kept == (tmp_path / "bridge",)


def test_removing_from_a_folder_without_a_shim_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / SHIM_NAME).write_text("#!/bin/sh\n")

    removed = place.remove_shim(tmp_path)

    assert not removed.ours and removed.kept == (tmp_path / SHIM_NAME,)
    assert not place.remove_shim(tmp_path / "missing").ours
