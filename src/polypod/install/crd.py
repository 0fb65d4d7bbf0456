"""The NetworkAttachmentDefinition CRD: the schema every existing definition is valid under.

Network Plumbing specification v1.3, section 3.1; `spec.config` stays an unchecked string for the
sake of existing clusters: `polypod lint` and the daemon check it instead.
"""

from __future__ import annotations

GROUP = "k8s.cni.cncf.io"
PLURAL = "network-attachment-definitions"


def crd() -> dict[str, object]:
    """Return the CustomResourceDefinition."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "plural": PLURAL,
                "singular": "network-attachment-definition",
                "kind": "NetworkAttachmentDefinition",
                "shortNames": ["net-attach-def", "nad"],
            },
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": _schema()},
                    "additionalPrinterColumns": [
                        {
                            "name": "Config",
                            "type": "string",
                            "jsonPath": ".spec.config",
                            "priority": 1,
                        },
                        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
                    ],
                }
            ],
        },
    }


def _schema() -> dict[str, object]:
    return {
        "type": "object",
        "description": "A network that pods can be attached to.",
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": {
                "type": "object",
                "properties": {
                    "config": {
                        "type": "string",
                        "description": "A CNI network configuration, or list, as JSON text.",
                    }
                },
            },
        },
    }
