"""What a failed call prints, and what VERSION prints: the two answers that need no result.

Kept free of imports at the top, because VERSION must cost no more than starting the interpreter.
"""

from __future__ import annotations

from polypod.cni.labels import ALL_VERSIONS, NEWEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from polypod.errors import PolypodError

_worded_by_the_reference = frozenset({1, 4, 6, 7, 8, 50})
_quiet_slugs = frozenset({"plugin", "foreign-plugin"})


def _details(error: PolypodError, *, with_hint: bool) -> str:
    if error.details or not with_hint or not error.hint:
        return error.details
    if error.slug in _quiet_slugs or error.code in _worded_by_the_reference:
        return ""
    return f"hint: {error.hint}"


def render(error: PolypodError, *, with_hint: bool = True) -> bytes:
    """Return the error object: code, msg and, when there are any, details.

    The daemon adds its hint where the reference has no words of its own; the plugin executables
    (`with_hint=False`) print what the reference prints.
    """
    from polypod.cni import encode

    answer: dict[str, object] = {"code": error.code, "msg": error.cause}
    details = _details(error, with_hint=with_hint)
    if details:
        answer["details"] = details
    return encode.pretty(answer)


def version_answer(supported: tuple[str, ...] = ALL_VERSIONS) -> bytes:
    """Return VERSION's one line; cniVersion is the newest that is spoken."""
    listed = ",".join(f'"{version}"' for version in supported)
    return f'{{"cniVersion":"{NEWEST}","supportedVersions":[{listed}]}}\n'.encode()
