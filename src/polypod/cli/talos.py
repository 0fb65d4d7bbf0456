"""`polypod install talos-config`: a Talos node's links and modules, in its release's own words."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import cast

import click
import msgspec

from polypod.cli import surroundings
from polypod.errors import InvalidConfigError
from polypod.install import render, talos_forms, talos_settings
from polypod.install.talos_releases import BUILT_IN, Release, release
from polypod.install.talos_settings import Settings

Table = dict[str, dict[str, object]]
FILE = click.Path(path_type=Path, dir_okay=False, allow_dash=True, exists=True)


@click.command("talos-config")
@click.option(
    "--talos-version", help="the nodes' release, for example 1.13; without it the cluster is asked"
)
@click.option(
    "-f", "--file", type=FILE, help="YAML with links, bonds, vlans, bridges, modules, sysctls"
)
@click.option(
    "--bridge", multiple=True, metavar="NAME=LINK,...", help="a bridge with these links as ports"
)
@click.option("--vlan", multiple=True, metavar="LINK.ID", help="one VLAN of a link")
@click.option("--bond", multiple=True, metavar="NAME=LINK,...[:MODE]", help="several links as one")
@click.option(
    "--address", multiple=True, metavar="LINK=CIDR|dhcp", help="an address of the node itself"
)
@click.option("--mtu", multiple=True, metavar="LINK=BYTES", help="the largest packet of a link")
@click.option(
    "--module", multiple=True, metavar="NAME", help="a kernel module to load, if it is not built in"
)
@click.option("--sysctl", multiple=True, metavar="KEY=VALUE", help="a kernel setting")
@surroundings.kubeconfig_option
@surroundings.context_option
@click.option(
    "--manifest", type=FILE, help="manifests that Talos applies itself; for control planes only"
)
def talos_config(  # noqa: PLR0913 - one argument an option
    *,
    talos_version: str | None,
    file: Path | None,
    bridge: tuple[str, ...],
    vlan: tuple[str, ...],
    bond: tuple[str, ...],
    address: tuple[str, ...],
    mtu: tuple[str, ...],
    module: tuple[str, ...],
    sysctl: tuple[str, ...],
    kubeconfig: Path | None,
    context: str,
    manifest: Path | None,
) -> None:
    """Write the patch that gives Talos nodes bridges, VLANs, bonds and kernel modules.

    \b
      polypod install talos-config --talos-version 1.13 --vlan enp2s0.50 --bridge br50=enp2s0.50
      polypod install talos-config --talos-version 1.11 -f links.yaml > links-patch.yaml
      talosctl -n NODE patch machineconfig --patch @links-patch.yaml
    """  # noqa: D301 - \b is for click
    if talos_version is None:
        talos_version, line = surroundings.talos_release(kubeconfig, context)
        click.echo(line, err=True)
    asked = release(talos_version)
    settings = talos_settings.read(
        _joined(
            talos_settings.parse(_content(file)),
            bridges=dict(_bridges(bridge)),
            bonds=dict(_bonds(bond)),
            vlans=dict(_vlans(vlan)),
            modules={name: [] for name in module},
            sysctls=dict(_pairs("--sysctl", sysctl)),
            more=(*_addresses(address), *_mtus(mtu)),
        )
    )
    talos_settings.check(settings)
    found = talos_forms.documents(settings, asked, _content(manifest).decode())
    if not found:
        raise click.UsageError("nothing was asked for: name links or modules, or give --file")
    lines = _head(settings, asked, is_manifest=manifest is not None)
    click.echo("".join(f"# {line}\n" for line in lines) + render.text(found), nl=False)


def _head(settings: Settings, asked: Release, *, is_manifest: bool) -> Iterator[str]:
    """Yield what whoever applies the patch should know."""
    yield f"For the machine configuration of Talos {asked}:"
    yield "talosctl -n NODE patch machineconfig --patch @FILE"
    if is_manifest:
        yield "Control planes only, the same on all. Talos creates what is missing, once."
    if any(True for _ in talos_settings.every(settings)):
        yield "Once a link is named here, Talos asks for addresses by DHCP only where told to."
    for name, made in settings.bridges.items():
        if not made.has_address and set(made.links) - settings.vlans.keys():
            yield f"{name} has no address: if a port of it is the node's only card, give it one."
    for name in settings.modules:
        if name in BUILT_IN:
            yield f"{name} is part of the kernel: there is nothing to load."


def _content(path: Path | None) -> bytes:
    if path is None:
        return b""
    if str(path) == "-":
        return sys.stdin.buffer.read(talos_settings.MAX_BYTES)
    with path.open("rb") as file:
        return file.read(talos_settings.MAX_BYTES)


def _joined(
    given: Settings, *, more: Iterable[tuple[str, str, object]], **options: dict[str, object]
) -> Table:
    """Return file and options as one table; what options say of a link is added to its entry."""
    found: Table = msgspec.to_builtins(given)
    for part, entries in options.items():
        for name, entry in entries.items():
            if name in found[part]:
                raise InvalidConfigError(
                    f"{name} is described by the file and by an option", hint="say it once"
                )
            found[part][name] = entry
    for name, key, value in more:
        entry = _entry(found, name)
        if key == "addresses":
            entry[key] = [*cast("Iterable[object]", entry.get(key, ())), value]
        else:
            entry[key] = value
    return found


def _entry(found: Table, name: str) -> dict[str, object]:
    """Return a link's entry; a link that nothing else is said of is a network card."""
    for part in ("bonds", "vlans", "bridges", "links"):
        entry = found[part].get(name)
        if isinstance(entry, dict):
            return cast("dict[str, object]", entry)
    made: dict[str, object] = {}
    found["links"][name] = made
    return made


def _pairs(option: str, words: Iterable[str]) -> Iterator[tuple[str, str]]:
    for word in words:
        name, sign, value = word.partition("=")
        if not (name and sign and value):
            raise click.UsageError(f"{option} {word}: write NAME=VALUE")
        yield name, value


def _bridges(words: Iterable[str]) -> Iterator[tuple[str, object]]:
    for name, links in _pairs("--bridge", words):
        yield name, {"links": links.split(",")}


def _bonds(words: Iterable[str]) -> Iterator[tuple[str, object]]:
    for name, value in _pairs("--bond", words):
        links, _, mode = value.partition(":")
        yield name, {"links": links.split(",")} | ({"mode": mode} if mode else {})


def _vlans(words: Iterable[str]) -> Iterator[tuple[str, object]]:
    for word in words:
        parent, _, number = word.rpartition(".")
        if not (parent and number.isdecimal()):
            raise click.UsageError(f"--vlan {word}: write LINK.ID, for example enp2s0.50")
        yield word, {"parent": parent, "id": int(number)}


def _addresses(words: Iterable[str]) -> Iterator[tuple[str, str, object]]:
    for name, value in _pairs("--address", words):
        yield (name, "dhcp", True) if value == "dhcp" else (name, "addresses", value)


def _mtus(words: Iterable[str]) -> Iterator[tuple[str, str, object]]:
    for name, value in _pairs("--mtu", words):
        if not value.isdecimal():
            raise click.UsageError(f"--mtu {name}={value}: write a number of bytes")
        yield name, "mtu", int(value)
