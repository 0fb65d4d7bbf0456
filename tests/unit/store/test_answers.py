"""What a runtime's libcni kept of our answers goes with the shim, or CRI-O calls that again."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from polypod.install import leaving, place
from polypod.install.leaving import Folders
from polypod.store.multus_cache import MultusCache

OURS = ("polypod-one-eth0", "renamed-two-eth0")
KEPT = {**dict.fromkeys(OURS, "polypod"), "polypod-three-eth0": "vendor"}
"""Types of the plugins that answered, by file."""


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    folder.mkdir()
    for name, type_ in KEPT.items():
        config = {"cniVersion": "1.1.0", "name": "polypod", "plugins": [{"type": type_}]}
        text = base64.b64encode(json.dumps(config).encode()).decode()
        (folder / name).write_text(json.dumps({"kind": "cniCacheV1", "config": text}))
    (folder / "torn").write_text('{"config": "')
    return folder


def test_all_of_ours_are_told_by_their_configuration_and_forgotten(
    results: Path, tmp_path: Path
) -> None:
    cache = MultusCache(tmp_path / "multus", results)

    assert cache.all_of_ours() == tuple(results / name for name in OURS)
    cache.forget_all_of_ours()

    assert sorted(path.name for path in results.iterdir()) == ["polypod-three-eth0", "torn"]
    assert cache.all_of_ours() == ()


def test_without_a_folder_there_are_none(tmp_path: Path) -> None:
    cache = MultusCache(tmp_path / "multus", tmp_path / "none")

    cache.forget_all_of_ours()
    assert cache.all_of_ours() == ()


def test_an_uninstallation_takes_them_after_the_configuration_and_before_the_shim(
    results: Path, tmp_path: Path
) -> None:
    bin_, conf = tmp_path / "bin", tmp_path / "net.d"
    for folder in (bin_, conf):
        folder.mkdir()
    place.install_shim(bin_, links=False)
    ours = conf / "00-polypod.conflist"
    ours.write_text('{"cniVersion": "1.0.0", "name": "p", "plugins": [{"type": "polypod"}]}')
    folders = Folders(
        conf=conf,
        shim=bin_,
        socket=tmp_path / "sock",
        state=tmp_path / "state",
        results=results,
    )

    found = leaving.find(folders, with_state=False)
    leaving.remove(found)

    assert found.ours == (ours, *(results / name for name in OURS), bin_ / "polypod")
    assert not any(path.exists() for path in found.ours)
