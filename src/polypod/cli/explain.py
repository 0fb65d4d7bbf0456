"""`polypod explain`: what a pod would get and why, or what an error's slug means."""

from __future__ import annotations

import difflib
from pathlib import Path

import click

from polypod import errors
from polypod.cli import offline, target
from polypod.cli.options import (
    Place,
    config_option,
    examples,
    manifests_option,
    primary_option,
)
from polypod.engine import preview
from polypod.errors import InvalidConfigError
from polypod.kube.manifests import ManifestSource


@click.command(
    "explain",
    short_help="Explain a pod's networks, or an error.",
    epilog=examples(
        "polypod explain hub --manifests examples",
        "polypod explain try-again",
    ),
)
@click.argument("subject", metavar="[NAMESPACE/]POD|SLUG")
@manifests_option
@primary_option
@config_option
def explain(
    subject: str, manifests: Path | None, primary: Path | None, config: Path | None
) -> None:
    """Explain a pod (selections, definitions, plugins, ops), or an error's slug.

    It reads the manifests and looks at the kernel; it needs no daemon and changes nothing.
    """
    found = by_slug().get(subject)
    if found is not None:
        click.echo(f"{subject} (CNI code {found.code})\n{found.__doc__}\nhint: {found.hint}")
        return
    if manifests is None:
        raise click.UsageError(
            f"{subject} is no error's slug; for a pod, --manifests DIR says where it is described"
        )
    namespace, name = target.pod(subject)
    _check_known(namespace, name, manifests)
    doors = offline.looking(Place(manifests=manifests, primary=primary, config=config))
    for line in preview.lines(namespace, name, doors):
        click.echo(line)


def by_slug() -> dict[str, type[errors.PolypodError]]:
    """Return every error class by its slug."""
    found = {errors.PolypodError.slug: errors.PolypodError}
    for value in vars(errors).values():
        if isinstance(value, type) and issubclass(value, errors.PolypodError):
            found[value.slug] = value
    return found


def _check_known(namespace: str, name: str, manifests: Path) -> None:
    source = ManifestSource(manifests)
    if source.pod(namespace, name) is not None:
        return
    near = difflib.get_close_matches(name, [pod.name for pod in source.pods()], n=1)
    hint = f"did you mean {near[0]}?" if near else f"look at the files in {manifests}"
    raise InvalidConfigError(f"there is no pod {namespace}/{name}", hint=hint)
