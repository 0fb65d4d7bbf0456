"""The words of a command line that name a pod or a network namespace."""

from __future__ import annotations

from pathlib import Path

from polypod.errors import InvalidNetnsError

NAMED = Path("/run/netns")


def pod(word: str) -> tuple[str, str]:
    """Return namespace and name of [NAMESPACE/]POD."""
    namespace, _, name = word.rpartition("/")
    return namespace or "default", name


def netns(word: str, *, must_exist: bool = True) -> str:
    """Return the path of a namespace given as a path, a name below /run/netns, or a process id.

    Raises:
        InvalidNetnsError: there is none, and it must exist.
    """
    path = _path(word)
    try:
        is_there = Path(path).exists()
    except (OSError, ValueError) as error:
        cause = f"network namespace {word[:200]!r}: {getattr(error, 'strerror', error)}"
        raise InvalidNetnsError(cause, hint="become root, or give another") from error
    if must_exist and not is_there:
        shown = word if path == word else f"{word} ({path})"
        raise InvalidNetnsError(
            f"there is no network namespace {shown}",
            hint="give a path, a name below /run/netns, or a process id",
        )
    return path


def _path(word: str) -> str:
    if "/" in word:
        return word
    named = NAMED / word
    if word.isdecimal() and not named.exists():
        return f"/proc/{word}/ns/net"
    return str(named)
