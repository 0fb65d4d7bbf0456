"""The design page and the code agree: rooms, their sentences, their layers."""

from __future__ import annotations

import importlib
import re
import tomllib
from pathlib import Path

from docs.generate import picture
from docs.generate.markdown import first_line

import polypod

ROOT = Path(__file__).parents[3]
DESIGN = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CONTRACTS = {one["id"]: one for one in PROJECT["tool"]["importlinter"]["contracts"]}


def table(title: str) -> list[list[str]]:
    """Return the rows of the first table below a heading, without its titles."""
    section = DESIGN.split(f"\n## {title}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def rooms() -> dict[str, tuple[str, str]]:
    return {room.strip("`"): (kind, sentence) for room, kind, sentence in table("Rooms")}


def test_the_table_of_rooms_has_every_room_of_the_package_and_no_other() -> None:
    package = Path(polypod.__file__).parent
    there = {path.parent.name for path in package.glob("*/__init__.py")}
    there |= {path.stem for path in package.glob("*.py")} - {"__init__"}

    assert set(rooms()) == there


def test_the_rooms_stand_in_the_order_of_the_linters_layers() -> None:
    layers = [room for layer in picture.layers() for room in layer]

    assert list(rooms()) == layers


def test_a_rooms_sentence_is_its_docstring() -> None:
    for room, (_, sentence) in rooms().items():
        assert first_line(importlib.import_module(f"polypod.{room}")) == sentence


def test_a_rooms_kind_is_the_one_of_the_contracts_and_of_the_picture() -> None:
    pure = {module.removeprefix("polypod.") for module in CONTRACTS["pure"]["source_modules"]}
    doors = {module.removeprefix("polypod.") for module in CONTRACTS["doors"]["source_modules"]}
    told = {room: kind for room, (kind, _) in rooms().items()}

    assert {room for room, kind in told.items() if kind == "pure"} == pure
    assert {room for room, kind in told.items() if kind == "door"} == doors
    assert told == {room: kind for room, (kind, _) in picture.CAPTIONS.items()}


def test_what_pure_rooms_may_not_import_is_what_the_contract_forbids() -> None:
    sentence = next(p for p in DESIGN.split("\n\n") if p.startswith("Pure rooms may not import"))
    told = set(re.findall(r"`(\w+)`", sentence.split(". ")[0]))

    assert told == set(CONTRACTS["pure"]["forbidden_modules"])


def test_every_file_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"`((?:[a-z_]+/)*[a-z_]+\.(?:py|c))`", DESIGN))
    missing = [
        name
        for name in named
        if not any((ROOT / base / name).is_file() for base in ("", "src/polypod"))
    ]

    assert named
    assert missing == []


def test_the_picture_has_every_room() -> None:
    drawn = (ROOT / "docs" / "images" / "rooms.svg").read_text(encoding="utf-8")

    assert all(f">{room}</text>" in drawn for room in rooms())
