"""What is known of a network device, in files that plugins and other programs read.

Device plugins write theirs into `dp`; `cni` has one for each attachment, copied from there or
written by the CNI plugin itself. They inform: one that cannot be read, copied or removed is logged,
and nothing fails for it.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from polypod.errors import StorageError
from polypod.store import files

log = logging.getLogger("polypod.store")
MAX_BYTES = 64 << 10
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class DeviceInfoFiles:
    """The two folders, usually below /var/run/k8s.cni.cncf.io/devinfo."""

    def __init__(self, root: Path) -> None:
        """Keep the place; it need not exist."""
        self._plugins = root / "dp"
        self._attachments = root / "cni"

    def path(self, name: str) -> str:
        """Return the path of an attachment's file."""
        return str(self._attachments / name)

    def copy(self, source: str, name: str) -> None:
        """Copy a device plugin's file for an attachment; not every device plugin writes one."""
        content = _read(self._plugins, source)
        if content is None:
            return
        try:
            self._attachments.mkdir(mode=0o755, parents=True, exist_ok=True)
            files.write_atomically(self._attachments / name, content, mode=0o444)
        except (OSError, ValueError, StorageError) as error:
            log.warning("device_info.not_copied file=%s cause=%r", name, str(error))

    def read(self, name: str) -> bytes | None:
        """Return the content of an attachment's file, None when there is none."""
        return _read(self._attachments, name)

    def remove(self, name: str) -> None:
        """Remove an attachment's file; absent is fine."""
        try:
            (self._attachments / name).unlink(missing_ok=True)
        except (OSError, ValueError) as error:
            log.warning("device_info.not_removed file=%s cause=%r", name, str(error))


def _read(folder: Path, name: str) -> bytes | None:
    try:
        fd = os.open(folder, _FOLDER)
    except OSError:
        return None
    try:
        content = files.read(fd, name, MAX_BYTES + 1)
    except ValueError:  # a NUL in a name
        return None
    finally:
        os.close(fd)
    if content is not None and len(content) > MAX_BYTES:
        log.warning("device_info.too_long file=%s", name)
        return None
    return content
