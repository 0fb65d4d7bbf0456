"""docs/images/rooms.svg: the rooms and the direction of imports, drawn from the linter's contract.

No script is needed to see it, and a room that has no place in the contract has none here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CAPTIONS: Mapping[str, tuple[str, str]] = {
    "testing": ("shipped", "the doors in memory"),
    "cli": ("front", "verbs for people"),
    "daemon": ("front", "socket, queues, metrics"),
    "install": ("front", "manifests, shim"),
    "doctor": ("front", "facts → findings"),
    "engine": ("orders", "the CNI verbs"),
    "kernel": ("door", "netlink, sysctl, nft"),
    "kube": ("door", "pods and networks"),
    "store": ("door", "journal, leases"),
    "foreign": ("door", "others' plugins"),
    "plugins": ("pure", "facts → ops"),
    "ipam": ("pure", "which address"),
    "nad": ("pure", "annotations"),
    "plan": ("pure", "facts and ops"),
    "cni": ("pure", "the specification as types"),
    "errors": ("pure", "code, slug, cause, hint"),
}
"""Kind and caption of each room."""
COLOURS = {
    "front": "#d9dee8",
    "orders": "#ffd98a",
    "door": "#a9cdf5",
    "pure": "#b7e3bd",
    "shipped": "#eeeeee",
}
MEANINGS = {
    "pure": "pure: values in, values out",
    "orders": "orders: doors by shape only",
    "door": "door: one outside thing",
    "front": "front: where calls come in",
    "shipped": "shipped for tests",
}
SPACE = "http://www.w3.org/2000/svg"
FONT = 'font-family="system-ui, sans-serif" font-size="13"'
SMALL = 'font-size="10.5" fill="#3b4450"'
STROKE = 'stroke="#5b6470" stroke-width="0.7"'
WIDTH, ROW, BOX, GAP, TOP = 860, 62, 46, 10, 16


def layers() -> list[list[str]]:
    """Return the contract's layers, top first."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    (found,) = [one["layers"] for one in contracts if one["id"] == "layers"]
    return [[room.strip() for room in layer.split("|")] for layer in found]


def render() -> str:
    """Return the drawing."""
    rows = layers()
    bottom = TOP + ROW * len(rows)
    height = bottom + 44
    parts = [
        f'<svg xmlns="{SPACE}" viewBox="0 0 {WIDTH} {height}" role="img" {FONT}>',
        "<title>The rooms of Polypod: a room may import those below it</title>",
        f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#ffffff"/>',
        _arrow(bottom - GAP),
    ]
    for place, rooms in enumerate(rows):
        parts += _row(rooms, TOP + ROW * place)
    parts += _legend(bottom + 8)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _row(rooms: list[str], top: int) -> list[str]:
    left = 60
    width = (WIDTH - left - 16 - GAP * (len(rooms) - 1)) / len(rooms)
    drawn: list[str] = []
    for place, room in enumerate(rooms):
        kind, caption = CAPTIONS[room]
        x = left + place * (width + GAP)
        middle = x + width / 2
        drawn += [
            _box(x, top, width, BOX, COLOURS[kind]),
            _text(middle, top + 20, f'font-weight="600" fill="#1d232b">{room}'),
            _text(middle, top + 37, f'font-size="11" fill="#3b4450">{caption}'),
        ]
    return drawn


def _box(x: float, y: float, width: float, height: float, colour: str) -> str:
    place = f'x="{x:.1f}" y="{y}" width="{width:.1f}" height="{height}"'
    return f'<rect {place} rx="4" fill="{colour}" {STROKE}/>'


def _text(x: float, y: float, rest: str) -> str:
    return f'<text x="{x:.1f}" y="{y}" text-anchor="middle" {rest}</text>'


def _arrow(bottom: int) -> str:
    return (
        f'<g stroke="#5b6470" fill="none"><path d="M30 {TOP} V{bottom}"/>'
        f'<path d="M24 {bottom - 10} L30 {bottom} L36 {bottom - 10}"/></g>'
        f'<text x="20" y="{bottom / 2:.0f}" font-size="11" fill="#3b4450" text-anchor="middle" '
        f'transform="rotate(-90 20 {bottom / 2:.0f})">may import</text>'
    )


def _legend(top: int) -> list[str]:
    drawn: list[str] = []
    x = 16.0
    for kind, meaning in MEANINGS.items():
        drawn += [
            _box(x, top, 12, 12, COLOURS[kind]),
            f'<text x="{x + 17:.0f}" y="{top + 10}" {SMALL}>{meaning}</text>',
        ]
        x += 36 + len(meaning) * 5.3
    return drawn
