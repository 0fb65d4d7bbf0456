"""A source without pods and a status that goes nowhere: a node that serves only its primary."""

from __future__ import annotations

from polypod.kube.pods import Pod
from polypod.nad.definition import Definition


class NoSource:
    """Knows no pods and no definitions."""

    is_complete = False

    def pod(self, namespace: str, name: str, uid: str = "") -> Pod | None:
        """Return None."""
        del namespace, name, uid
        return None

    def definition(self, namespace: str, name: str) -> Definition | None:
        """Return None."""
        del namespace, name
        return None


class NoStatus:
    """Publishes nothing."""

    def write(self, namespace: str, pod: str, text: str, uid: str = "") -> None:
        """Do nothing."""
        del namespace, pod, text, uid

    def remove(self, namespace: str, pod: str) -> None:
        """Do nothing."""
        del namespace, pod
