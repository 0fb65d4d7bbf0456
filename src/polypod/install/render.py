"""Turns one set of values into manifests: plain YAML, a Kustomize base, or a Helm chart.

All three are the same objects; the chart's templates are the objects with expressions for values.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import yaml

from polypod.install import agent, rbac, settings
from polypod.install.crd import crd
from polypod.install.platforms import PLATFORMS
from polypod.install.values import Values

Object = Mapping[str, object]
SETTINGS = "@settings@"
"""Stands for the agent's settings in a chart's ConfigMap."""
HEAD = "# Rendered by `polypod install render`; do not edit, render again.\n"


class _Dumper(yaml.SafeDumper):
    """Writes lists indented below their key, and no aliases."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: FBT001, FBT002 - inherited
        """Indent lists too."""
        del indentless
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: object) -> bool:
        """Write values out each time."""
        del data
        return True


def _text(dumper: _Dumper, data: str) -> yaml.ScalarNode:
    """Write text of several lines as a block."""
    del dumper
    return yaml.ScalarNode("tag:yaml.org,2002:str", data, style="|" if "\n" in data else None)


_Dumper.add_representer(str, _text)


def objects(values: Values) -> dict[str, list[Object]]:
    """Return the objects of an installation by file, in the order to apply them."""
    return {
        "namespace.yaml": [agent.namespace(values)],
        "crd.yaml": [crd()],
        "rbac.yaml": [
            rbac.service_account(values),
            rbac.cluster_role(values),
            rbac.cluster_role_binding(values),
            rbac.own_role(values),
            rbac.own_role_binding(values),
        ],
        "config.yaml": [settings.config_map(values)],
        "policy.yaml": [rbac.policy(values), rbac.policy_binding(values)],
        "daemonset.yaml": [agent.daemon_set(values)],
    }


def text(found: Iterable[Object]) -> str:
    """Return objects as one YAML stream."""
    return yaml.dump_all(
        (json.loads(json.dumps(thing)) for thing in found),
        Dumper=_Dumper,
        sort_keys=False,
        explicit_start=True,
        width=100,
    )


def plain(values: Values) -> str:
    """Return everything in one file for `kubectl apply -f`."""
    return HEAD + text(thing for part in objects(values).values() for thing in part)


def kustomize(values: Values) -> dict[str, str]:
    """Return a Kustomize base: one file a kind, and what names them."""
    files = {name: HEAD + text(part) for name, part in objects(values).items()}
    base: Object = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": list(files),
    }
    return {"kustomization.yaml": HEAD + text([base]), **files}


def expression(path: str) -> str:
    """Return a chart's value as text, for a text field."""
    return f"{{{{ .Values.{path} }}}}"


def in_chart(values: Values) -> Values:
    """Return the values of a chart: expressions wherever values.yaml may choose."""
    return replace(
        values,
        platform=replace(
            PLATFORMS[values.platform.name],
            cni_bin=expression("cniBinDir"),
            cni_conf=expression("cniConfDir"),
            runtime_socket=expression("runtimeSocket"),
            kubelet=expression("kubeletDir"),
            plugin_store=expression("pluginStoreDir"),
            api_host=expression("apiServer.host"),
            api_port=expression("apiServer.port"),
        ),
        name="polypod",
        namespace="{{ .Release.Namespace }}",
        image=expression("image"),
        pull_policy=expression("imagePullPolicy"),
        config_text=SETTINGS,
        config_sum='{{ include "polypod.settings" . | sha256sum | trunc 16 }}',
        host_paths=("{{ $path }}",),
    )


def at(part: Object, path: tuple[str, ...]) -> Any:  # noqa: ANN401 - JSON of any shape
    """Return what lies at a path through keys and indices."""
    found: Any = part
    for key in path:
        found = found[int(key)] if key.isdigit() else found[key]
    return found


def replaced(part: Object, changes: Mapping[tuple[str, ...], object]) -> Object:
    """Return a copy of an object with some places changed."""
    copy: dict[str, object] = json.loads(json.dumps(part))
    for path, value in changes.items():
        at(copy, path[:-1])[path[-1]] = value
    return copy
