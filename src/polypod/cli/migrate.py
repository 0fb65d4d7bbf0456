"""`polypod migrate`: what a switch from Multus changes, and the switch as files and commands.

Exit status: 0 nothing differs, 1 something does, 2 something would stop working, 3 it could not be
found out.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import click

from polypod.cli.options import FOLDER, examples, output_option
from polypod.doctor import cutover, everywhere, gather, page, report, rules
from polypod.doctor import node as nodes
from polypod.doctor.facts import Facts
from polypod.errors import ConflictError, PolypodError
from polypod.install import aside, switching
from polypod.install.platforms import PLATFORMS, Platform
from polypod.install.values import Values
from polypod.kube import kubeconfig as kubeconfigs
from polypod.kube.client import Client
from polypod.store import files

UNKNOWN = 3
CACHE = "/var/lib/cni/multus"
_conf_dir = click.option(
    "--conf-dir",
    type=FOLDER,
    default=Path("/etc/cni/net.d"),
    show_default=True,
    help="The folder that the runtime reads.",
)


@click.group(
    "migrate",
    invoke_without_command=True,
    short_help="Tell what a switch from Multus changes, and how to do it.",
    epilog=examples(
        "polypod migrate",
        "polypod migrate --all -o json",
        "polypod migrate --manifests cluster/ --node node-1/",
        "polypod migrate --out switch --image registry.example/polypod:0.1.0",
    ),
)
@click.option(
    "--kubeconfig", type=click.Path(path_type=Path, dir_okay=False), help="Which cluster."
)
@click.option(
    "--context",
    "context_name",
    default="",
    help="The kubeconfig's context, if not the current one.",
)
@click.option("--manifests", type=FOLDER, help="Read YAML files instead of a cluster.")
@click.option("--node", type=FOLDER, help="A node's root, or a copy of its folders: / on a node.")
@click.option("--out", type=FOLDER, help="Write the switch, and the way back, to this folder.")
@click.option("--image", help="The agent's image, from a registry that the nodes reach.")
@click.option("--namespace", default="polypod-system", show_default=True, help="The agent's.")
@click.option(
    "--platform",
    type=click.Choice(sorted(PLATFORMS)),
    default="kubeadm",
    show_default=True,
    help="Where nodes keep their folders; Multus's own volumes win.",
)
@click.option("--cni-bin", help="The runtime's folder of plugins, if it is another.")
@click.option("--cni-conf", help="The runtime's folder of configurations, likewise.")
@click.option("--kubelet", help="The kubelet's folder, likewise.")
@click.option("--runtime-socket", help="The runtime's socket, likewise.")
@click.option("--all", "everything", is_flag=True, help="List what stays the same, too.")
@output_option
@click.pass_context
def migrate(  # noqa: PLR0913 - one argument an option
    context: click.Context,
    *,
    kubeconfig: Path | None,
    context_name: str,
    manifests: Path | None,
    node: Path | None,
    out: Path | None,
    image: str | None,
    namespace: str,
    platform: str,
    cni_bin: str | None,
    cni_conf: str | None,
    kubelet: str | None,
    runtime_socket: str | None,
    everything: bool,
    output: str,
) -> None:
    """Report what a switch from Multus changes, before anything is touched.

    Definitions, pods, Multus's own settings and the programs beside it are read, from the cluster
    or from files; each difference that applies is named with its reason. Exit status: 0 nothing
    differs, 1 something does, 2 something would stop working, 3 it could not be found out.
    """
    if context.invoked_subcommand is not None:
        return
    try:
        facts = _facts(kubeconfig, context_name, manifests)
        said = {
            "cni_bin": cni_bin,
            "cni_conf": cni_conf,
            "kubelet": kubelet,
            "runtime_socket": runtime_socket,
        }
        chosen = _platform(cutover.kept(facts), PLATFORMS[platform], said)
        wanted = Values(image=image or Values().image, namespace=namespace, platform=chosen)
        if node is not None:
            facts = nodes.added(
                facts,
                node,
                conf=chosen.cni_conf,
                plugins=chosen.cni_bin,
                cache=cutover.kept(facts).settings.cni_dir or CACHE,
            )
        if out is not None:
            _check_is_no_other_switch(out, facts)
        values = _values(cutover.kept(facts), wanted)
        found = _report(facts)
    except PolypodError as error:
        click.echo(f"polypod: {error.cause}\n  hint: {error.hint}", err=True)
        context.exit(UNKNOWN)
    _print(found, facts, output, everything=everything)
    if out is not None:
        _write(out, _files(facts, values, _kubectl(kubeconfig, context_name)))
    elif output == "table":
        click.echo("\n--out DIR writes the switch and the way back, as files and commands.")
    context.exit(found.code)


@migrate.command("aside", short_help="Put Multus's configuration aside, on a node.")
@_conf_dir
def aside_(conf_dir: Path) -> None:
    """Rename every configuration that calls Multus, so that the runtime reads it no more."""
    for path in aside.put_aside(conf_dir):
        click.echo(str(path))


@migrate.command("back", short_help="Put Multus's configuration back, on a node.")
@_conf_dir
def back(conf_dir: Path) -> None:
    """Give what was put aside its old name."""
    for path in aside.put_back(conf_dir):
        click.echo(str(path))


def _facts(kubeconfig: Path | None, context: str, manifests: Path | None) -> Facts:
    if manifests is not None:
        return gather.from_manifests(manifests)
    path = kubeconfig or kubeconfigs.default_path()
    client = Client(kubeconfigs.read(path, context=context), agent="polypod migrate")
    try:
        return gather.from_cluster(client)
    finally:
        client.close()


def _platform(kept: cutover.Kept, known: Platform, said: Mapping[str, str | None]) -> Platform:
    """Return where nodes keep their folders: as options say, else as Multus had them mounted."""
    had = {
        "cni_bin": kept.plugin_folder,
        "cni_conf": kept.configuration_folder,
        "kubelet": kept.kubelet_folder,
    }
    told = {key: path for key, path in had.items() if path}
    return replace(known, **(told | {key: path for key, path in said.items() if path}))


def _values(kept: cutover.Kept, values: Values) -> Values:
    """Return the new installation's values: isolation and log as Multus had them."""
    return replace(
        values,
        namespace_isolation=kept.settings.namespace_isolation,
        global_namespaces=",".join(kept.settings.global_namespaces),
        log_level=kept.settings.log_level,
    )


def _report(facts: Facts) -> report.Report:
    rows = page.rows(gather.page_of_differences())
    return report.put_together(rules.judge(facts), rows, everywhere.holding(facts, rows))


def _print(found: report.Report, facts: Facts, output: str, *, everything: bool) -> None:
    for problem in facts.problems:
        click.echo(f"not read: {problem}", err=True)
    if output == "json":
        click.echo(json.dumps(report.as_table(found), indent=2))
        return
    for line in report.lines(found, everything=everything):
        click.echo(line)


def _write(folder: Path, texts: Mapping[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        mode = 0o755 if name.endswith(".sh") else 0o644
        files.write_atomically(folder / name, text.encode(), mode=mode)
        click.echo(str(folder / name), err=True)


def _check_is_no_other_switch(folder: Path, facts: Facts) -> None:
    """Refuse a folder whose way back would be lost: it starts what the cluster has no more.

    Raises:
        ConflictError: there is such a file.
    """
    for path in sorted(folder.glob(f"{cutover.STOPPED}*.yaml")):
        if path.name != cutover.BACK and path.name not in cutover.stopped(facts):
            raise ConflictError(
                f"{path} is the way back to something that is not there any more",
                hint="choose another folder; if nobody wants to go back, remove that file",
            )


def _files(facts: Facts, values: Values, kubectl: str) -> Mapping[str, str]:
    namespace = values.namespace
    scripts = {
        "switch.sh": ("The switch from Multus", cutover.steps(facts, namespace)),
        "back.sh": ("The way back to Multus", cutover.way_back(facts, namespace)),
        cutover.ENDS: ("The end of the way back", cutover.way_back_ends(namespace)),
    }
    return {
        **{
            name: "\n".join(cutover.lines(steps, name=name, title=title, kubectl=kubectl)) + "\n"
            for name, (title, steps) in scripts.items()
        },
        cutover.AGENT: switching.plain(values, cutover.settings_text(facts)),
        cutover.ASIDE: switching.once(values, "polypod-set-aside", "aside"),
        cutover.BACK: switching.once(values, "polypod-put-back", "back"),
        cutover.UNINSTALL: switching.uninstaller(values),
        **{name: switching.saved(one.document) for name, one in cutover.stopped(facts).items()},
    }


def _kubectl(kubeconfig: Path | None, context: str) -> str:
    """Return how the scripts call kubectl: for the cluster that was asked here."""
    path = str(kubeconfig.absolute()) if kubeconfig else ""
    options = {"--kubeconfig": path, "--context": context}
    return " ".join(
        [cutover.KUBECTL, *(f"{key}={shlex.quote(text)}" for key, text in options.items() if text)]
    )
