"""The Helm chart: the same objects as templates, with values for each platform and their schema.

The CRD lies in crds/, so that an uninstall keeps every definition that users wrote.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from polypod.install import render
from polypod.install.agent import PLUGIN_STORE
from polypod.install.crd import crd
from polypod.install.platforms import PLATFORMS, Platform
from polypod.install.settings import FILE, HOST_PATH
from polypod.install.values import VERSION, Values
from polypod.nad import node_settings

Object = Mapping[str, object]
_CONTAINER = ("spec", "template", "spec", "containers", "0")
_OPTIONAL: Mapping[str, str] = {
    "KUBERNETES_SERVICE_HOST": "apiServer.host",
    "KUBERNETES_SERVICE_PORT": "apiServer.host",
    PLUGIN_STORE: "pluginStoreDir",
}
"""Items of lists that are there only with a value."""
_SETTINGS = """{{- define "polypod.settings" -}}
{{- $found := dict "logLevel" .Values.logLevel "namespaceIsolation" .Values.namespaceIsolation -}}
{{- $_ := set $found "globalNamespaces" .Values.globalNamespaces -}}
{{- $_ := set $found "binDir" .Values.cniBinDir -}}
{{- range $key, $value := .Values.config -}}
{{- $_ := set $found $key $value -}}
{{- end -}}
{{- toYaml $found -}}
{{- end -}}
"""


def files(values: Values) -> dict[str, str]:
    """Return the chart's files by path."""
    inside = render.in_chart(values)
    found = {
        f"templates/{name}": render.text(parts)
        for name, parts in render.objects(inside).items()
        if name not in {"crd.yaml", "namespace.yaml", "config.yaml", "daemonset.yaml"}
    }
    return {
        "Chart.yaml": render.text([_chart()]),
        "values.yaml": _values_text(values),
        **{
            f"values-{platform.name}.yaml": _of_platform(platform)
            for platform in PLATFORMS.values()
        },
        "values.schema.json": json.dumps(_schema(), indent=2) + "\n",
        "crds/crd.yaml": render.text([crd()]),
        "templates/daemonset.yaml": _daemon_set(inside),
        "templates/config.yaml": _config_map(inside),
        "templates/_settings.tpl": _SETTINGS,
        "templates/NOTES.txt": _NOTES,
        **found,
    }


def _chart() -> Object:
    return {
        "apiVersion": "v2",
        "name": "polypod",
        "description": "More than one network for Kubernetes pods",
        "type": "application",
        "version": VERSION,
        "appVersion": VERSION,
        "kubeVersion": ">=1.30.0-0",
    }


def _daemon_set(values: Values) -> str:
    """Return the DaemonSet with blocks where values are not text."""
    (found,) = render.objects(values)["daemonset.yaml"]
    blocks: dict[tuple[str, ...], object] = {
        (*_CONTAINER, "resources"): "@resources@",
        ("spec", "template", "spec", "tolerations"): "@tolerations@",
        ("spec", "template", "spec", "nodeSelector"): "@nodeSelector@",
    }
    text = render.text([render.replaced(found, blocks)])
    for name in ("resources", "tolerations", "nodeSelector"):
        text = _block(text, f"@{name}@", f"toYaml .Values.{name}")
    for name, value in _OPTIONAL.items():
        text = _within(text, f"- name: {name}", f"if .Values.{value}")
    text = _within(text, f"- name: {HOST_PATH}-0", "range $number, $path := .Values.hostPaths")
    return text.replace(f"{HOST_PATH}-0", f"{HOST_PATH}-{{{{ $number }}}}")


def _config_map(values: Values) -> str:
    """Return the ConfigMap with the settings as a block."""
    text = render.text(render.objects(values)["config.yaml"])
    block = f'{FILE}: |-\n{{{{ include "polypod.settings" . | indent 4 }}}}'
    return text.replace(f"{FILE}: '{render.SETTINGS}'", block)


def _within(text: str, first: str, opening: str) -> str:
    """Put every item of a list that begins with a line into a template's block."""
    lines: list[str] = []
    depth = -1
    for line in text.splitlines():
        at = len(line) - len(line.lstrip())
        if 0 <= at <= depth:
            lines.append(f"{' ' * depth}{{{{- end }}}}")
            depth = -1
        if line.strip() == first:
            depth = at
            lines.append(f"{' ' * depth}{{{{- {opening} }}}}")
        lines.append(line)
    if depth >= 0:
        lines.append(f"{' ' * depth}{{{{- end }}}}")
    return "\n".join(lines) + "\n"


def _block(text: str, mark: str, what: str) -> str:
    """Replace a marked scalar by a YAML block of the right depth."""
    lines: list[str] = []
    for line in text.splitlines():
        if line.rstrip().endswith(mark) or line.rstrip().endswith(f"'{mark}'"):
            depth = len(line) - len(line.lstrip()) + 2
            key = line.split(":")[0]
            lines += [f"{key}:", f"{{{{ {what} | indent {depth} }}}}"]
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


def _values_text(values: Values) -> str:
    platform = values.platform
    return f"""# The agent's image, from a registry that your nodes reach.
image: {values.image}
imagePullPolicy: {values.pull_policy}
# debug, info, warning or error
logLevel: {values.log_level}
# Let pods use only definitions of their own namespace and of globalNamespaces.
namespaceIsolation: {json.dumps(values.namespace_isolation)}
globalNamespaces: {json.dumps(values.global_namespaces.split(","))}
# Where the container runtime looks for plugins and for its network's configuration.
cniBinDir: {platform.cni_bin}
cniConfDir: {platform.cni_conf}
# Where links in cniBinDir point to (k3s); empty where its files are there themselves.
pluginStoreDir: {json.dumps(platform.plugin_store)}
# An API server that answers before any service network does (Talos); empty for the usual one.
apiServer: {json.dumps({"host": platform.api_host, "port": platform.api_port})}
# The container runtime's socket: foreign plugins that no pod's call asks for run in its mounts.
runtimeSocket: {platform.runtime_socket}
# The kubelet's folder: it is asked there which devices a pod has.
kubeletDir: {platform.kubelet}
# More of the agent's settings, by the keys of its configuration file: clusterNetwork and others.
config: {json.dumps(dict(values.config))}
# Folders of the node that config names and no other mount shows: the agent sees them read-only.
hostPaths: {json.dumps(list(values.host_paths))}
resources: {json.dumps({"requests": dict(values.requests), "limits": dict(values.limits)})}
tolerations: [{{"operator": "Exists"}}]
nodeSelector: {{"kubernetes.io/os": "linux"}}
"""


def _of_platform(platform: Platform) -> str:
    """Return the values that a platform has for itself: `helm install -f`."""
    return render.text(
        [
            {
                "cniBinDir": platform.cni_bin,
                "cniConfDir": platform.cni_conf,
                "pluginStoreDir": platform.plugin_store,
                "apiServer": {"host": platform.api_host, "port": platform.api_port},
                "runtimeSocket": platform.runtime_socket,
                "kubeletDir": platform.kubelet,
            }
        ]
    )


def _schema() -> Object:
    word: Object = {"type": "string", "minLength": 1}
    folder: Object = {"type": "string", "pattern": "^/"}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "global": {"type": "object"},
            "image": word,
            "imagePullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
            "logLevel": {"enum": ["debug", "info", "warning", "error"]},
            "namespaceIsolation": {"type": "boolean"},
            "globalNamespaces": {"type": "array", "items": word},
            "cniBinDir": folder,
            "cniConfDir": folder,
            "pluginStoreDir": {"type": "string", "pattern": "^(/|$)"},
            "apiServer": {
                "type": "object",
                "additionalProperties": False,
                "properties": {"host": {"type": "string"}, "port": {"type": "string"}},
            },
            "runtimeSocket": folder,
            "kubeletDir": folder,
            "config": _config_schema(),
            "hostPaths": {"type": "array", "items": folder},
            "resources": {"type": "object"},
            "tolerations": {"type": "array", "items": {"type": "object"}},
            "nodeSelector": {"type": "object", "additionalProperties": {"type": "string"}},
        },
    }


def _config_schema() -> Object:
    """Return the schema of the settings, without what is only for a file."""
    found = node_settings.schema()
    return {key: value for key, value in found.items() if key not in {"$schema", "title"}}


_NOTES = """Where PodSecurity is enforced, as on Talos, the namespace must be allowed to hold it:
  kubectl label namespace {{ .Release.Namespace }} pod-security.kubernetes.io/enforce=privileged
Polypod then runs on every node. See it:
  kubectl -n {{ .Release.Namespace }} rollout status daemonset/polypod
A first network and a pod that uses it are in the documentation's tutorial.
"""
