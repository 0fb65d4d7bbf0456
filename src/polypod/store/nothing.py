"""A journal that keeps nothing, for calls that are undone by their own configuration."""

from __future__ import annotations

from polypod.plan.record import Record


class NoJournal:
    """Forgets."""

    def put(self, *records: Record) -> None:
        """Do nothing."""

    def remove(self, *records: Record) -> None:
        """Do nothing."""

    def of_container(self, container_id: str) -> tuple[Record, ...]:
        """Return nothing."""
        del container_id
        return ()

    def has_pod(self, namespace: str, name: str, *, besides: str) -> bool:
        """Know of no pod."""
        del namespace, name, besides
        return False

    def all(self) -> tuple[Record, ...]:
        """Return nothing."""
        return ()
