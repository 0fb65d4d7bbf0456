"""`polypod add|del|check|status|gc`: the CNI verbs by hand, for any network namespace.

They use the same engine and state folder as the daemon, which need not run.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import click

from polypod.cli import offline
from polypod.cni import request as cni_request
from polypod.cni.request import Request
from polypod.engine import attach, check, collect, detach, preview, status
from polypod.engine.doors import Caller, Doors
from polypod.errors import InvalidConfigError

CONFIG = {"cniVersion": "1.1.0", "name": "polypod", "type": "polypod"}

_folder = click.Path(path_type=Path, file_okay=False)
_file = click.Path(path_type=Path, dir_okay=False)


def _options(verb: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--state", type=_folder, default=Path("/var/lib/polypod"), show_default=True),
        click.option("--manifests", type=_folder, help="NADs and pods as YAML"),
        click.option("--primary", type=_file, help="the primary network's configuration"),
        click.option("--status", "status_dir", type=_folder, help="folder for network-status"),
        click.option("--data-root", type=_folder, help="where leases of networks may lie"),
        click.option("--path", default="/opt/cni/bin", help="where foreign plugins are"),
        click.option("--ifname", default="eth0", show_default=True),
        click.option("--container-id", help="default: derived from the namespace's path"),
    ):
        verb = option(verb)
    return verb


def _doors(given: dict[str, object]) -> Doors:
    return offline.doors(
        manifests=given["manifests"],  # type: ignore[arg-type]
        primary=given["primary"],  # type: ignore[arg-type]
        state=given["state"],  # type: ignore[arg-type]
        status=given["status_dir"],  # type: ignore[arg-type]
        data_root=given["data_root"],  # type: ignore[arg-type]
        path=str(given["path"]),
    )


def _request(
    command: str, netns: str, pod: str, given: dict[str, object], extra: dict[str, object]
) -> Request:
    namespace, _, name = pod.rpartition("/")
    words = [f"K8S_POD_NAMESPACE={namespace or 'default'}", f"K8S_POD_NAME={name}"] if pod else []
    config = {**CONFIG, **extra}
    return cni_request.parse(
        {
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": str(given["container_id"] or _container_id(netns)),
            "CNI_NETNS": netns,
            "CNI_IFNAME": str(given["ifname"]),
            "CNI_ARGS": ";".join(["IgnoreUnknown=1", *words]),
            "CNI_PATH": str(given["path"]),
        },
        json.dumps(config).encode(),
    )


def _container_id(netns: str) -> str:
    import hashlib

    return f"polypod-{hashlib.sha512(netns.encode()).hexdigest()[:20]}"


@click.command("add")
@click.argument("pod")
@click.argument("netns")
@click.option("--dry-run", is_flag=True, help="print the plan, change nothing")
@_options
def add(pod: str, netns: str, dry_run: bool, **given: object) -> None:  # noqa: FBT001
    """Attach the networks of [NAMESPACE/]POD to the namespace at path NETNS."""
    doors = _doors(given)
    if dry_run:
        namespace, _, name = pod.rpartition("/")
        for line in preview.lines(namespace or "default", name, doors):
            click.echo(line)
        return
    if doors.source.pod(pod.rpartition("/")[0] or "default", pod.rpartition("/")[2]) is None:
        raise InvalidConfigError(
            f"there is no pod {pod}", hint="--manifests names a folder with its YAML"
        )
    click.echo(attach.attach(_request("ADD", netns, pod, given, {}), Caller(), doors).decode())


@click.command("del")
@click.argument("netns")
@_options
def delete(netns: str, **given: object) -> None:
    """Take back what `add` gave the namespace at path NETNS."""
    doors = _doors(given)
    request = _request("DEL", netns, "", given, {})
    records = doors.journal.of_container(request.container_id)
    detach.release(records, Caller(sandbox=netns), doors)


@click.command("check")
@click.argument("netns")
@_options
def check_(netns: str, **given: object) -> None:
    """Compare the namespace at path NETNS with what was attached."""
    check.check(_request("CHECK", netns, "", given, {}), Caller(), _doors(given))
    click.echo("ok")


@click.command("status")
@_options
def status_(**given: object) -> None:
    """Tell whether this node can attach networks now."""
    status.status(_request("STATUS", "", "", given, {}), Caller(), _doors(given))
    click.echo("ready")


@click.command("gc")
@click.option("--valid", multiple=True, metavar="CONTAINERID", help="keep this one; repeatable")
@_options
def gc(valid: tuple[str, ...], **given: object) -> None:
    """Take back attachments made by hand or by name whose container is not given as valid."""
    listed = [{"containerID": name, "ifname": "eth0"} for name in valid]
    request = _request("GC", "", "", given, {"cni.dev/valid-attachments": listed})
    collect.collect(request, Caller(), _doors(given))


VERBS = (add, delete, check_, status_, gc)
