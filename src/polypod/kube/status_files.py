"""network-status as files, DIR/NAMESPACE/POD.json, for nodes without an API server."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path

from polypod.kube.names import are_names

log = logging.getLogger("polypod.kube")


class StatusFiles:
    """Writes and removes status files; a failure is logged and never fails an ADD."""

    def __init__(self, directory: Path) -> None:
        """Keep the place."""
        self._directory = directory

    def write(self, namespace: str, pod: str, text: str, uid: str = "") -> None:
        """Replace a pod's status."""
        del uid
        path = self._path(namespace, pod)
        if path is None:
            return
        fresh = path.with_name(f".{path.name}.new")
        try:
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            fresh.write_text(text, encoding="utf-8")
            fresh.replace(path)
        except OSError as error:
            _tell(error, path)

    def remove(self, namespace: str, pod: str) -> None:
        """Remove a pod's status; absent is fine."""
        path = self._path(namespace, pod)
        if path is None:
            return
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            _tell(error, path)
            return
        with contextlib.suppress(OSError):  # other pods have theirs there
            path.parent.rmdir()

    def _path(self, namespace: str, pod: str) -> Path | None:
        if not are_names(namespace, pod):
            log.warning("status.refused namespace=%r pod=%r", namespace[:64], pod[:64])
            return None
        return self._directory / namespace / f"{pod}.json"


def _tell(error: OSError, path: Path) -> None:
    log.error("status.unwritten cause=%r path=%s", error.strerror, path)
