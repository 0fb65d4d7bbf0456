"""The page of the stable interface names what is there."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from polypod.cli import daemon
from polypod.cli.ps import Row
from polypod.install.place import LINK_NAMES

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "reference" / "interface.md").read_text(encoding="utf-8")


def test_every_field_of_ps_is_named_and_no_other() -> None:
    sentence = PAGE.split("prints a list of objects:")[1].split("\n\n")[0]

    named = re.findall(r"`([A-Za-z]+)`", sentence)

    assert [name for name in named if name not in {"attached", "unfinished"}] == [
        field.name for field in fields(Row)
    ]


def test_every_option_of_the_daemon_that_is_promised_is_taken() -> None:
    (line,) = re.findall(r"^polypod daemon (.+)$", PAGE, re.MULTILINE)
    words = line.split()

    chosen = daemon.parser().parse_args(words)

    assert str(chosen.manifests) == "M"
    assert str(chosen.primary) == "FILE"


def test_every_link_that_is_promised_is_made() -> None:
    paragraph = PAGE.split("`--links` it also makes")[1].split(", links to the shim")[0]

    assert re.findall(r"`DIR/([a-z-]+)`", paragraph) == list(LINK_NAMES)


def test_every_variable_of_the_kubelet_is_named() -> None:
    assert set(re.findall(r"`(K8S_POD_[A-Z_]+)`", PAGE)) == {
        "K8S_POD_NAMESPACE",
        "K8S_POD_NAME",
        "K8S_POD_UID",
        "K8S_POD_INFRA_CONTAINER_ID",
    }
