"""Which platform and primary a render is for: what the options say, else what the cluster says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from polypod.errors import ApiError, InvalidConfigError, TryAgainError
from polypod.install import detect
from polypod.install.detect import Found
from polypod.install.platforms import PLATFORMS, PRIMARIES, beside
from polypod.kube import kubeconfig as kubeconfigs
from polypod.kube.client import Client

kubeconfig_option = click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path, dir_okay=False),
    help="the cluster to ask, instead of kubectl's",
)
context_option = click.option(
    "--context", default="", help="the context of the kubeconfig, instead of its own"
)
USUAL = "kubeadm"
OVERRIDE = "--platform and --primary say otherwise"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Platform, primary (empty for none that is known), and lines for whoever asked."""

    platform: str
    primary: str
    notes: tuple[str, ...]


def find(
    platform: str | None, primary: str | None, kubeconfig: Path | None, context: str
) -> Surroundings:
    """Return the surroundings; a cluster is asked only for what the options leave open.

    Raises:
        InvalidConfigError: the kubeconfig cannot be used, or the nodes are of several kinds.
        ApiError, TryAgainError: the cluster did not answer, and the platform was not given.
    """
    if platform and primary:
        return _with_notes(platform, primary, ())
    client = _client(kubeconfig, context)
    if client is None:
        line = f"note: no kubeconfig, so no cluster was asked; {OVERRIDE}"
        return _with_notes(platform or USUAL, primary or "", (line,))
    try:
        chosen, seen = _ask_platform(client, platform)
        beside_it, seen_too = _ask_primary(client, primary)
    finally:
        client.close()
    return _with_notes(chosen, beside_it, (*seen, *seen_too))


def talos_release(kubeconfig: Path | None, context: str) -> tuple[str, str]:
    """Return the release of Talos that a cluster's nodes run, and a line that says so.

    Raises:
        InvalidConfigError: there is no cluster to ask, or its nodes differ.
        ApiError, TryAgainError: the cluster did not answer.
    """
    client = _client(kubeconfig, context)
    if client is None:
        raise InvalidConfigError(
            "the release of Talos is not known, and there is no kubeconfig to ask a cluster with",
            hint="say --talos-version, for example 1.13",
        )
    try:
        found = detect.talos_release(client)
    except (ApiError, TryAgainError) as error:
        error.hint = "say --talos-version, so that no cluster is asked"
        raise
    finally:
        client.close()
    return found.name, _line("talos-version", found)


def _client(kubeconfig: Path | None, context: str) -> Client | None:
    """Return a client for the cluster to ask, None when nobody named one."""
    path = kubeconfig or kubeconfigs.default_path()
    if kubeconfig is None and not path.is_file():
        return None
    return Client(kubeconfigs.read(path, context=context))


def _ask_platform(client: Client, given: str | None) -> tuple[str, tuple[str, ...]]:
    if given:
        return given, ()
    try:
        found = detect.platform(client)
    except (ApiError, TryAgainError) as error:
        error.hint = "say --platform and --primary, so that no cluster is asked"
        raise
    return found.name, (_line("platform", found),)


def _ask_primary(client: Client, given: str | None) -> tuple[str, tuple[str, ...]]:
    """Ask for the primary; a cluster that does not say leaves it open."""
    if given:
        return given, ()
    try:
        found = detect.primary(client)
    except (ApiError, TryAgainError, InvalidConfigError) as error:
        return "", (f"note: the primary is not known: {error.cause}; --primary names it",)
    return found.name, (_line("primary", found),)


def _line(what: str, found: Found) -> str:
    return f"detected {what}: {found.name or 'none'} ({found.seen}); --{what} says otherwise"


def _with_notes(platform: str, primary: str, lines: tuple[str, ...]) -> Surroundings:
    texts: list[str] = [beside(PLATFORMS[platform], primary).note]
    texts += [f"{primary}: {PRIMARIES[primary].note}"] if primary else []
    notes = tuple(f"note: {text}" for text in texts if text)
    return Surroundings(platform=platform, primary=primary, notes=(*lines, *notes))
