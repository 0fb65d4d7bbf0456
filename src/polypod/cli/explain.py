"""`polypod explain`: what a pod would get and why, or what an error's slug means."""

from __future__ import annotations

from pathlib import Path

import click

from polypod import errors
from polypod.cli import offline
from polypod.engine import preview


@click.command("explain")
@click.argument("subject")
@click.option("--manifests", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--primary", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def explain(subject: str, manifests: Path | None, primary: Path | None) -> None:
    """Explain [NAMESPACE/]POD (selections, definitions, plugins, ops), or an error's SLUG."""
    found = by_slug().get(subject)
    if found is not None:
        click.echo(f"{subject} (CNI code {found.code})\n{found.__doc__}\nhint: {found.hint}")
        return
    if manifests is None:
        raise click.UsageError("--manifests DIR says where the pod and its networks are described")
    namespace, _, name = subject.rpartition("/")
    doors = offline.doors(manifests=manifests, primary=primary)
    for line in preview.lines(namespace or "default", name, doors):
        click.echo(line)


def by_slug() -> dict[str, type[errors.PolypodError]]:
    """Return every error class by its slug."""
    found = {errors.PolypodError.slug: errors.PolypodError}
    for value in vars(errors).values():
        if isinstance(value, type) and issubclass(value, errors.PolypodError):
            found[value.slug] = value
    return found
