"""Which namespaces' networks a pod may use."""

from __future__ import annotations

from polypod.errors import InvalidAnnotationError
from polypod.nad.selection import Selection


def check_isolation(pod_namespace: str, selection: Selection, allowed: frozenset[str]) -> None:
    """Refuse a network of another namespace unless that one is open to all.

    Raises:
        InvalidAnnotationError: the selection crosses namespaces.
    """
    if selection.namespace in {pod_namespace, *allowed}:
        return
    raise InvalidAnnotationError(
        "namespace isolation enabled, annotation violates permission, pod is in namespace"
        f" {pod_namespace} but refers to target namespace {selection.namespace}",
        hint="copy the definition into the pod's namespace, or list its namespace as global",
    )
