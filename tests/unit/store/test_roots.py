"""Where a configuration may make files: no link leads out, not even one that comes in between."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from polypod.errors import InvalidConfigError, StorageError
from polypod.store.roots import Roots, walk


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


def target(fd: int) -> Path:
    return Path(f"/proc/self/fd/{fd}").readlink()


@pytest.mark.parametrize("path", ["relative", "", "/etc", "/var/lib/cni/../../../etc", "/a\0b"])
def test_a_folder_outside_is_refused(root: Path, path: str) -> None:
    with pytest.raises(InvalidConfigError):
        Roots((root,)).check(Path(path))


def test_a_link_that_stays_inside_is_followed(root: Path) -> None:
    (root / "real").mkdir()
    (root / "link").symlink_to(root / "real")

    with Roots((root,)).opened(root / "link" / "made", make=0o755) as fd:
        assert target(fd) == root / "real" / "made"


def test_a_link_that_leads_out_is_refused(root: Path, tmp_path: Path) -> None:
    (root / "out").symlink_to(tmp_path)

    with (
        pytest.raises(InvalidConfigError, match="outside the folders"),
        Roots((root,)).opened(root / "out", make=0o755),
    ):
        pass


def test_a_missing_folder_is_made_only_when_that_is_asked(root: Path) -> None:
    roots = Roots((root,))

    with pytest.raises(StorageError, match="No such file"), roots.opened(root / "new" / "er"):
        pass
    with roots.opened(root / "new" / "er", make=0o700):
        pass

    assert (root / "new" / "er").stat().st_mode & 0o777 == 0o700


def test_a_link_put_in_place_after_the_check_leads_nowhere(root: Path, tmp_path: Path) -> None:
    (root / "data").mkdir()
    real = Roots((root,)).check(root / "data")
    (root / "data").rmdir()
    (root / "data").symlink_to(tmp_path)

    with pytest.raises(OSError, match=r"symbolic links|Not a directory"):
        walk(real, 0o755)


def test_a_folder_swapped_again_and_again_never_opens_outside(root: Path, tmp_path: Path) -> None:
    outside, data, spare = tmp_path / "outside", root / "data", root / "spare"
    (outside / "net").mkdir(parents=True)
    (data / "net").mkdir(parents=True)
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            data.rename(spare)
            data.symlink_to(outside)
            data.unlink()
            spare.rename(data)

    swapper = threading.Thread(target=swap)
    swapper.start()
    seen: set[Path] = set()
    roots = Roots((root,))
    try:
        for _ in range(500):
            try:
                with roots.opened(data / "net") as fd:
                    seen.add(target(fd))
            except (InvalidConfigError, StorageError):
                continue
    finally:
        stop.set()
        swapper.join()

    assert seen <= {data / "net", spare / "net"}


def test_an_executable_called_by_root_may_use_any_folder(tmp_path: Path) -> None:
    with Roots(None).opened(tmp_path / "any" / "where", make=0o755) as fd:
        assert os.listdir(fd) == []
