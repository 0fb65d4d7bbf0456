"""docs/reference/plugins.md: the built-in types, and the keys that their code reads.

A key's JSON type comes from the call that reads it; its meaning is written here. A key that the
code reads and nobody describes, or that is described and not read, ends the build.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from docs.generate.markdown import cell, first_line, page, table
from docs.generate.plugin_keys import KEYS, NOTES

import polypod
from polypod.cni.labels import ALL_VERSIONS
from polypod.ipam import IPAM
from polypod.plugins import PLUGINS

SOURCE = Path(polypod.__file__).parent
OWN: Mapping[str, tuple[str, ...]] = {
    "bridge": ("plugins/bridge.py", "plugins/bridge_settings.py", "plugins/vlan_trunk.py"),
    "macvlan": ("plugins/macvlan.py",),
    "ipvlan": ("plugins/ipvlan.py",),
    "loopback": ("plugins/loopback.py",),
    "passthru": ("plugins/passthru.py",),
    "tuning": ("plugins/tuning.py", "plugins/tuning_settings.py"),
    "host-local": ("ipam/host_local.py", "ipam/ranges.py"),
    "static": ("ipam/static.py",),
}
"""The files that read each type's keys."""
EVERYWHERE = frozenset({"args", "cni", "dns", "ipam", "runtimeConfig"})
"""Keys that only lead to others, or that every type has."""
SHARED = ("plugins/addresses.py", "plugins/mac_choice.py", "ipam/host_local.py", "ipam/ranges.py")
"""Files whose keys a type may have by asking them."""
READERS: Mapping[str, str] = {
    "text": "string",
    "flag": "boolean",
    "number": "number",
    "unsigned": "number, not negative",
    "table": "object",
    "objects": "list of objects",
    "items": "list",
    "texts": "list of strings",
    "get": "",
}
LEAD = f"""
These types are built in: no binary on the host is needed for them. They speak CNI versions
{", ".join(ALL_VERSIONS[:-1])} and {ALL_VERSIONS[-1]}. Keys are matched without regard to case and
`null` counts as absent, as Go's decoder has it; unknown keys are passed over. Any other type is a
*foreign* plugin: an executable that is looked for along `--path` and the caller's `CNI_PATH`.

In a secondary network the built-in type wins over a binary of the same name; in the primary's own
configuration a binary on the host wins. What did the ADD does the DEL.

Every network plugin also reads the keys that all share: `cniVersion`, `name`, `type`, `ipam`,
`dns`, `prevResult`, `runtimeConfig`, `args.cni` and `capabilities`.
"""


def keys_read(names: tuple[str, ...]) -> dict[str, str]:
    """Return the keys that some files read, with the JSON type that they ask for."""
    found: dict[str, str] = {}
    for name in names:
        for key, kind in _calls(ast.parse((SOURCE / name).read_text(encoding="utf-8"))):
            found[key] = found.get(key) or kind
    return found


def _calls(tree: ast.AST) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="fields"), attr=reader),
                args=[_, ast.Constant(value=str(key)), *_],
            ) if reader in READERS:
                yield key, READERS[reader]
            case ast.Call(func=ast.Name(id="_either"), args=[*_, ast.Constant(value=str(key))]):
                yield key, READERS["flag"]
            case ast.Assign(targets=[ast.Name(id="keys")], value=ast.Tuple(elts=names)):
                yield from ((str(ast.literal_eval(name)), READERS["text"]) for name in names)
            case _:
                pass


def undescribed() -> list[str]:
    """Return what code and descriptions do not agree about, as lines for people."""
    faults: list[str] = []
    for type_, names in OWN.items():
        told = {_last(path) for path in KEYS[type_]} - EVERYWHERE
        own, known = keys_read(names), keys_read((*names, *SHARED))
        faults += [
            f"{type_}: {key} is read and not described" for key in own.keys() - told - EVERYWHERE
        ]
        faults += [f"{type_}: {key} is described and not read" for key in told - known.keys()]
    faults += [f"{type_}: no files are named" for type_ in {*PLUGINS, *IPAM} - OWN.keys()]
    return sorted(faults)


def _last(path: str) -> str:
    return path.rpartition(".")[2].replace("[]", "")


def render() -> str:
    """Return the page.

    Raises:
        ValueError: a key is read and not described, or the reverse.
    """
    faults = undescribed()
    if faults:
        raise ValueError("docs/generate/plugin_keys.py: " + "; ".join(faults))
    return page(
        "Plugins", LEAD, "## Interfaces\n", *map(_section, PLUGINS), "## Addresses\n",
        *map(_section, IPAM),
    )  # fmt: skip


def _section(type_: str) -> str:
    plugin = PLUGINS.get(type_) or IPAM[type_]
    module = __import__(type(plugin).__module__, fromlist=["x"])
    known = keys_read((*OWN[type_], *SHARED))
    rows = [
        (f"`{path}`", known[_last(path)] or "any", cell(told)) for path, told in KEYS[type_].items()
    ]
    told = first_line(module).removeprefix(f"{type_}: ")
    parts = [
        f"### {type_}\n\n{told[0].upper()}{told[1:]}\n\n{NOTES.get(type_, '')}".rstrip() + "\n"
    ]
    if rows:
        parts.append(table(("Key", "Type", "Meaning"), rows))
    return "\n".join(parts)
