"""A journal that notes what one request made and took back, for its log lines and the metrics."""

from __future__ import annotations

from polypod.engine.doors import Journal
from polypod.plan.record import ForeignStep, PluginStep, Record

Key = tuple[str, str, str]


class WatchedJournal:
    """Passes everything on; for the length of one request."""

    def __init__(self, journal: Journal) -> None:
        """Keep the real one."""
        self._journal = journal
        self._made: dict[Key, Record] = {}
        self._removed: dict[Key, Record] = {}

    @property
    def made(self) -> tuple[Record, ...]:
        """Return the attachments that were completed and still stand."""
        return tuple(self._made.values())

    @property
    def removed(self) -> tuple[Record, ...]:
        """Return the attachments that went, other than those made here."""
        return tuple(self._removed.values())

    def put(self, *records: Record) -> None:
        """Insert or replace records."""
        self._journal.put(*records)
        self._made.update((_key(record), record) for record in records if record.result)

    def remove(self, *records: Record) -> None:
        """Forget records."""
        self._journal.remove(*records)
        for record in records:
            if self._made.pop(_key(record), None) is None:
                self._removed[_key(record)] = record

    def has_pod(self, namespace: str, name: str, *, besides: str) -> bool:
        """Tell whether a container of this pod has a record, other than the one `besides`."""
        return self._journal.has_pod(namespace, name, besides=besides)

    def of_container(self, container_id: str) -> tuple[Record, ...]:
        """Return a container's records in order of position."""
        return self._journal.of_container(container_id)

    def all(self) -> tuple[Record, ...]:
        """Return every record."""
        return self._journal.all()


def plugin_of(record: Record) -> str:
    """Return the type of the plugin that made the interface: the first of its chain."""
    for step in record.steps:
        if isinstance(step, (PluginStep, ForeignStep)):
            return step.type
    return ""


def _key(record: Record) -> Key:
    return record.container_id, record.network, record.ifname
