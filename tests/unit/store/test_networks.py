"""Networks in files on the node: the primary's, and those that a definition only names."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from polypod.errors import InvalidConfigError, PolypodError, StorageError
from polypod.store.conf_folder import ConfFolder
from polypod.store.networks import NetworkFiles


def write(path: Path, **config: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"cniVersion": "1.0.0", **config}))
    return path


def test_a_node_may_have_no_primary() -> None:
    assert NetworkFiles(None, None).primary() is None


def test_the_primary_is_read_again_when_its_file_was_replaced(tmp_path: Path) -> None:
    path = write(tmp_path / "p.conf", name="one", type="bridge")
    files = NetworkFiles(path, None)

    first, again = files.primary(), files.primary()
    write(tmp_path / "fresh", name="two", type="bridge").rename(path)
    second = files.primary()

    assert first is not None and second is not None
    assert (first.name, second.name) == ("one", "two")
    assert first is again


def test_a_primary_that_is_not_there_yet_is_a_named_error_and_found_later(tmp_path: Path) -> None:
    files = NetworkFiles(tmp_path / "p.conf", None)

    with pytest.raises(StorageError, match="No such file") as told:
        files.primary()
    write(tmp_path / "p.conf", name="late", type="bridge")
    found = files.primary()

    assert "--primary" in told.value.hint
    assert found is not None and found.name == "late"


@pytest.mark.parametrize("type_", ["multus", "multus-shim", "polypod"])
def test_a_primary_that_is_a_meta_plugin_is_refused(tmp_path: Path, type_: str) -> None:
    path = write(tmp_path / "p.conflist", name="x", plugins=[{"type": "bridge"}, {"type": type_}])

    with pytest.raises(InvalidConfigError, match="meta-plugin"):
        NetworkFiles(path, None).primary()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"name": "x"}', "\0", '{"name": 7}'])
def test_a_primary_that_is_no_configuration_is_an_error_of_ours(tmp_path: Path, text: str) -> None:
    (tmp_path / "p.conf").write_text(text)

    with pytest.raises(PolypodError):
        NetworkFiles(tmp_path / "p.conf", None).primary()


def test_a_primary_that_became_broken_is_an_error_and_works_again_when_it_is_mended(
    tmp_path: Path,
) -> None:
    path = write(tmp_path / "p.conf", name="one", type="bridge")
    files = NetworkFiles(path, None)
    files.primary()

    path.write_text("{ half written")
    with pytest.raises(PolypodError):
        files.primary()
    write(path, name="mended", type="bridge")
    found = files.primary()

    assert found is not None and found.name == "mended"


def test_a_named_network_is_the_first_of_that_name_whatever_lies_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "net.d"
    write(folder / "20-second.conf", name="wanted", type="macvlan")
    write(folder / "10-first.conflist", name="wanted", plugins=[{"type": "bridge"}])
    write(folder / "05-other.conf", name="other", type="bridge")
    write(folder / "00-wanted.txt", name="wanted", type="wrong")
    (folder / "01-broken.conf").write_text("{")
    (folder / "02-folder.conf").mkdir()
    (folder / "03-gone.conf").symlink_to("nowhere")
    os.mkfifo(folder / "04-fifo.conf")

    found = NetworkFiles(None, folder).by_name("wanted")

    assert found is not None
    assert json.loads(found)["plugins"] == [{"type": "bridge"}]


@pytest.mark.parametrize("place", [None, "none", "file"])
def test_without_a_folder_no_network_has_a_name(tmp_path: Path, place: str | None) -> None:
    (tmp_path / "file").touch()

    assert NetworkFiles(None, tmp_path / place if place else None).by_name("x") is None


def test_a_folder_is_its_first_configuration_that_calls_no_meta_plugin(tmp_path: Path) -> None:
    write(tmp_path / "00-polypod.conflist", name="polypod", plugins=[{"type": "polypod"}])
    write(tmp_path / "05-multus.conf", name="m", type="multus-shim")
    (tmp_path / "06-broken.conf").write_text("{")
    write(tmp_path / "20-late.conf", name="late", type="bridge")
    write(tmp_path / "10-first.conflist", name="first", plugins=[{"type": "bridge"}])
    (tmp_path / "first").mkdir()
    write(tmp_path / "first" / "10-a.conf", name="a", type="tuning")

    found = NetworkFiles(None, None).at(str(tmp_path))

    assert found.name == "first"
    assert len(found.plugins) == 1


@pytest.mark.parametrize("text", ["{", "{}", '{"type": 3}'])
def test_a_broken_auxiliary_chain_keeps_no_pod_from_starting(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "x" / "10-a.conf", type="tuning")
    (tmp_path / "x" / "20-b.conf").write_text(text)

    found = NetworkFiles(tmp_path / "p.conf", None).auxiliary("x", "1.0.0")

    assert found is None
    assert "chain.skipped name=x" in caplog.text


def test_without_a_file_of_the_primary_there_is_no_auxiliary_chain() -> None:
    assert NetworkFiles(None, None).auxiliary("x", "1.0.0") is None


def chained(folder: ConfFolder) -> list[object]:
    found = folder.primary()
    assert found is not None
    return [plugin["type"] for plugin in found.plugins]


def test_what_is_chained_to_a_primary_that_was_found_is_followed(tmp_path: Path) -> None:
    write(tmp_path / "10-p.conflist", name="p", plugins=[{"type": "bridge"}])
    folder = ConfFolder(tmp_path)

    before = chained(folder)
    write(tmp_path / "p" / "10-a.conf", type="tuning")
    after = chained(folder)
    write(tmp_path / "p" / "10-a.conf", type="sbr", more="x")
    changed = chained(folder)

    assert (before, after, changed) == (["bridge"], ["bridge", "tuning"], ["bridge", "sbr"])


def test_a_folder_of_the_node_has_networks_by_path_by_name_and_chains(tmp_path: Path) -> None:
    named = write(tmp_path / "net.d" / "n.conf", name="n", type="macvlan")
    write(tmp_path / "x" / "10-a.conf", type="tuning")
    folder = ConfFolder(tmp_path, tmp_path / "net.d")

    chain = folder.auxiliary("x", "1.0.0")

    assert folder.at(str(named)).name == "n"
    assert folder.by_name("n") == named.read_bytes()
    assert chain is not None and len(chain.plugins) == 2
