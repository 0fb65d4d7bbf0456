"""docs/reference/settings.md: the keys of the daemon's configuration file, and Multus's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast

from docs.generate.markdown import cell, code, page, table

from polypod.nad import multus_settings, node_settings

SCHEMA = "daemon-config.schema.json"
LEAD = f"""
`polypod daemon --config FILE` reads its settings from a YAML or JSON file. Options of the [command
line](configuration.md) win over it. In the rendered manifests the file is a ConfigMap, and its
keys are the `config` value of the chart and `--config` of `polypod install render`. It is read
once, at the start: a changed ConfigMap makes new pods, since they carry its checksum. A file that
is not there, in a folder that is, counts as empty. Verbs that work without a daemon, `polypod
explain` and `polypod add` among them, take the same file by `--config`.

Keys are found whatever their case, and `null` is absent. A key that nobody knows is named in the
log, with the nearest one that there is; a value of the wrong type ends the start with an error
that names the file and the key. [`deploy/{SCHEMA}`](../../deploy/{SCHEMA}) is the file's JSON
schema, as `polypod daemon --config-schema` prints it.
"""
EXAMPLE = """
## An example

```yaml
# Every pod's first interface is the definition `main` in the namespace infra, and pods outside
# kube-system get the definition `storage` of that namespace too, as net1.
multusNamespace: infra
clusterNetwork: main
defaultNetworks: [storage]
readinessIndicatorFile: /run/primary/ready
```

A name without a slash is a definition in `multusNamespace`, or else a configuration of that name
in `confDir`, for which the API server is asked every ten seconds: a path is cheaper. One with a
slash is a path on the node, of a file or of a folder whose first configuration is meant. To a
`.conflist` the `*.conf` of a folder of its name are chained. What lies outside the folders that
the agent sees anyway must be mounted: `install render --config` does so by itself, the chart by
`hostPaths`.

While `readinessIndicatorFile` is not there, the node's configuration is not written for the first
time, `/readyz` and STATUS say so, and an ADD waits up to 45 seconds. A configuration that was
written stays: pods wait then, instead of starting without their networks.
"""
MULTUS = """
## Files of Multus

Its `daemon-config.json` and the `00-multus.conf` that it generates are read as they are. Keys of
the same name mean the same; `globalNamespaces` may be a comma list, levels of its log become ours,
paths below `/host/` lose that prefix, and `multusMasterCNI` becomes `clusterNetwork`. One default
differs: `namespaceIsolation` is on here. The other keys:
"""


def render() -> str:
    """Return the page."""
    properties = cast("Mapping[str, Mapping[str, object]]", node_settings.schema()["properties"])
    own = [
        (
            code(key),
            _type(found),
            code(json.dumps(found["default"])),
            cell(str(found["description"])),
        )
        for key, found in properties.items()
        if key != "$schema"
    ]
    theirs = [
        (code(key), rule.verdict.value, cell(rule.text))
        for key, rule in sorted(multus_settings.RULES.items())
    ]
    return page(
        "Settings",
        LEAD,
        table(("Key", "Type", "Default", "Meaning"), own),
        EXAMPLE.lstrip(),
        MULTUS.lstrip(),
        table(("Key of Multus", "What becomes of it", "Why"), theirs),
    )


def _type(found: Mapping[str, object]) -> str:
    if "enum" in found:
        return ", ".join(code(str(one)) for one in cast("list[object]", found["enum"]))
    items = cast("Mapping[str, object]", found.get("items", {}))
    return f"list of {items['type']}s" if items else str(found["type"])


def schema() -> str:
    """Return the JSON schema's text."""
    return json.dumps(node_settings.schema(), indent=2) + "\n"
