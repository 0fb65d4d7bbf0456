"""The pages that follow from the code say what the code says now."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from docs import build
from docs.generate import configuration, errors, ops, plugin_keys, plugins

from polypod.cni import fields
from polypod.plan.ops import SHARED

DOCS = Path(build.__file__).parent


@pytest.mark.parametrize("name", sorted(build.PAGES))
def test_a_committed_page_is_what_the_code_generates(name: str) -> None:
    committed = (DOCS / name).read_text(encoding="utf-8")

    generated = build.PAGES[name]()

    assert committed == generated, "the page is stale: call ./dev docs"


def test_every_key_that_a_plugin_reads_is_described() -> None:
    assert plugins.undescribed() == []


def test_a_key_that_nobody_describes_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    known = dict(plugin_keys.KEYS)
    known["macvlan"] = {key: told for key, told in known["macvlan"].items() if key != "mode"}
    known["ipvlan"] = {**known["ipvlan"], "colour": "of the link"}
    monkeypatch.setattr(plugins, "KEYS", known)

    found = plugins.undescribed()

    assert found == [
        "ipvlan: colour is described and not read",
        "macvlan: mode is read and not described",
    ]


def test_every_way_to_read_a_key_is_known() -> None:
    readers = {
        name
        for name, made in inspect.getmembers(fields, inspect.isfunction)
        if made.__module__ == fields.__name__
        and not name.startswith("_")
        and "key" in inspect.signature(made).parameters
    }

    assert readers - plugins.READERS.keys() == {"name_of"}


def test_every_error_has_a_slug_of_its_own() -> None:
    slugs = [error.slug for error in errors.classes()]

    assert len(slugs) == len(set(slugs))
    assert {"internal", "try-again", "invalid-config"} <= set(slugs)


def test_every_op_says_how_it_is_undone_or_that_it_is_shared() -> None:
    silent = [
        kind.__name__
        for kind in ops.kinds()
        if kind not in SHARED
        and not any(
            word in (kind.__doc__ or "") for word in ("Undo:", "For DEL", "Missing is fine")
        )
    ]

    assert silent == []


def test_every_variable_that_the_shim_reads_is_described() -> None:
    assert configuration.variables() == configuration.VARIABLES.keys()
