"""`polypod install render`: manifests for a platform and a primary network, ready to apply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import click

from polypod.install import chart, render
from polypod.install.values import PLATFORMS, PRIMARIES, Values
from polypod.store import files

FORMS = ("yaml", "kustomize", "helm")


@click.command("render")
@click.option(
    "--platform",
    type=click.Choice(sorted(PLATFORMS)),
    default="kubeadm",
    show_default=True,
    help="where the node's folders and sockets are",
)
@click.option(
    "--primary",
    type=click.Choice(sorted(PRIMARIES)),
    help="also say, or write, what its own release must change",
)
@click.option("--form", type=click.Choice(FORMS), default="yaml", show_default=True)
@click.option(
    "--out", type=click.Path(path_type=Path), help="folder to write to, instead of stdout"
)
@click.option("--image", help="the agent's image, from a registry that the nodes reach")
@click.option("--namespace", default="polypod-system", show_default=True)
@click.option("--cni-bin", help="folder of the runtime's plugins, when it is not the platform's")
@click.option("--cni-conf", help="folder of the runtime's configuration, likewise")
@click.option(
    "--no-namespace-isolation", is_flag=True, help="let pods use any namespace's networks"
)
def render_(  # noqa: PLR0913 - one argument an option
    *,
    platform: str,
    primary: str | None,
    form: str,
    out: Path | None,
    image: str | None,
    namespace: str,
    cni_bin: str | None,
    cni_conf: str | None,
    no_namespace_isolation: bool,
) -> None:
    """Render what runs Polypod on every node of a cluster.

    \b
      polypod install render --platform talos --primary cilium | kubectl apply -f -
      polypod install render --platform k3s --form helm --out chart
    """  # noqa: D301 - \b is for click
    known = PLATFORMS[platform]
    values = Values(
        platform=replace(
            known, cni_bin=cni_bin or known.cni_bin, cni_conf=cni_conf or known.cni_conf
        ),
        namespace=namespace,
        image=image or Values().image,
        namespace_isolation=not no_namespace_isolation,
    )
    written = _files(form, values)
    beside = PRIMARIES[primary] if primary else None
    if beside is not None and beside.helm_values:
        written[f"{beside.name}-values.yaml"] = render.text([beside.helm_values])
    if out is None and form == "yaml":
        click.echo(written["polypod.yaml"], nl=False)
    elif out is None:
        raise click.UsageError(f"--form {form} is several files: say where with --out DIR")
    else:
        _write(out, written)
    for note in (known.note, beside.note if beside else ""):
        if note:
            click.echo(f"note: {note}", err=True)
    if out is None and beside is not None and beside.helm_values:
        click.echo(f"its Helm values:\n{render.text([beside.helm_values])}", err=True)


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
        click.echo(str(path))
