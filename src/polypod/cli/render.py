"""`polypod install render`: manifests for a platform and a primary network, ready to apply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import click

from polypod.cli import surroundings
from polypod.daemon import settings_file
from polypod.install import agent, chart, extras, render
from polypod.install import settings as install_settings
from polypod.install.platforms import PLATFORMS, PRIMARIES, beside
from polypod.install.values import Values
from polypod.nad import node_settings
from polypod.store import files

FORMS = ("yaml", "kustomize", "helm")
FOLDER = click.Path(path_type=Path, file_okay=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the options say beside platform and primary; None for the platform's own."""

    image: str | None
    namespace: str
    cni_bin: str | None
    cni_conf: str | None
    runtime_socket: str | None
    kubelet: str | None
    isolation: bool
    settings: Path | None


@click.command("render")
@click.option(
    "--platform",
    type=click.Choice(sorted(PLATFORMS)),
    help="where the node's folders and sockets are; without it the cluster is asked",
)
@click.option(
    "--primary",
    type=click.Choice(sorted(PRIMARIES)),
    help="the network that pods have anyway; without it the cluster is asked",
)
@click.option("--form", type=click.Choice(FORMS), default="yaml", show_default=True)
@click.option("--out", type=FOLDER, help="folder to write to, instead of stdout")
@click.option(
    "--extras", "beside_to", type=FOLDER, help="folder for what must change elsewhere, as files"
)
@surroundings.kubeconfig_option
@surroundings.context_option
@click.option("--image", help="the agent's image, from a registry that the nodes reach")
@click.option("--namespace", default="polypod-system", show_default=True)
@click.option("--cni-bin", help="folder of the runtime's plugins, when it is not the platform's")
@click.option("--cni-conf", help="folder of the runtime's configuration, likewise")
@click.option("--runtime-socket", help="the container runtime's socket, likewise")
@click.option("--kubelet", help="the kubelet's folder, likewise")
@click.option(
    "--no-namespace-isolation", is_flag=True, help="let pods use any namespace's networks"
)
@click.option(
    "--config",
    "settings",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="the agent's settings, or Multus's, as YAML or JSON: they become its ConfigMap",
)
def render_(  # noqa: PLR0913 - one argument an option
    *,
    platform: str | None,
    primary: str | None,
    form: str,
    out: Path | None,
    beside_to: Path | None,
    kubeconfig: Path | None,
    context: str,
    image: str | None,
    namespace: str,
    cni_bin: str | None,
    cni_conf: str | None,
    runtime_socket: str | None,
    kubelet: str | None,
    no_namespace_isolation: bool,
    settings: Path | None,
) -> None:
    """Render what runs Polypod on every node of a cluster.

    Platform and primary network are read from the cluster of the kubeconfig where they are not
    given; with both of them given, or without a kubeconfig, no cluster is asked.

    \b
      polypod install render | kubectl apply -f -
      polypod install render --platform talos --primary cilium --extras beside | kubectl apply -f -
      polypod install render --platform k3s --form helm --out chart
    """  # noqa: D301 - \b is for click
    if out is None and form != "yaml":
        raise click.UsageError(f"--form {form} is several files: say where with --out DIR")
    around = surroundings.find(platform, primary, kubeconfig, context)
    asked = Asked(
        image=image,
        namespace=namespace,
        cni_bin=cni_bin,
        cni_conf=cni_conf,
        runtime_socket=runtime_socket,
        kubelet=kubelet,
        isolation=not no_namespace_isolation,
        settings=settings,
    )
    written = _files(form, _values(around, asked))
    if out is None:
        click.echo(written["polypod.yaml"], nl=False)
    else:
        _write(out, written)
    _write_extras(around, beside_to or (out / "extras" if out and around.primary else None))
    for line in around.notes:
        click.echo(line, err=True)


def _values(around: surroundings.Surroundings, asked: Asked) -> Values:
    known = beside(PLATFORMS[around.platform], around.primary)
    values = Values(
        platform=replace(
            known,
            cni_bin=asked.cni_bin or known.cni_bin,
            cni_conf=asked.cni_conf or known.cni_conf,
            runtime_socket=asked.runtime_socket or known.runtime_socket,
            kubelet=asked.kubelet or known.kubelet,
        ),
        namespace=asked.namespace,
        image=asked.image or Values().image,
        namespace_isolation=asked.isolation,
    )
    return values if asked.settings is None else _with_settings(values, asked.settings)


def _with_settings(values: Values, path: Path) -> Values:
    """Return the values with a file's settings; what is said of its keys goes to stderr."""
    reading = settings_file.read(path)
    for note in reading.notes:
        click.echo(f"{path}: {note.key}: {note.verdict.value}: {note.text}", err=True)
    config = node_settings.given(reading)
    if not values.namespace_isolation:
        config["namespaceIsolation"] = False
    paths = install_settings.folders(config, agent.mounted(values))
    return replace(values, config=config, host_paths=paths)


def _write_extras(around: surroundings.Surroundings, folder: Path | None) -> None:
    found = extras.files(around.platform, around.primary)
    if folder is not None:
        _write(folder, found)
        return
    names = ", ".join(name for name in found if name != "README.md")
    if names:
        click.echo(f"note: --extras DIR writes what must change elsewhere: {names}", err=True)


def _files(form: str, values: Values) -> dict[str, str]:
    if form == "helm":
        return chart.files(values)
    if form == "kustomize":
        return render.kustomize(values)
    return {"polypod.yaml": render.plain(values)}


def _write(folder: Path, written: Mapping[str, str]) -> None:
    for name, text in written.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_atomically(path, text.encode(), mode=0o644)
        click.echo(str(path), err=True)
