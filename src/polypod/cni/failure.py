"""What a failed call prints, and what VERSION prints: the two answers that need no result.

Kept free of imports at the top, because VERSION must cost no more than starting the interpreter.
"""

from __future__ import annotations

from polypod.cni.labels import ALL_VERSIONS, NEWEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from polypod.errors import PolypodError

_others_words = "foreign-plugin"
"""The slug of errors that another project's plugin told: ours to pass on, not to explain."""


def _details(error: PolypodError, *, with_hint: bool) -> str:
    if not with_hint or not error.hint or error.slug == _others_words:
        return error.details
    return f"{error.details}; hint: {error.hint}" if error.details else f"hint: {error.hint}"


def render(error: PolypodError, *, with_hint: bool = True) -> bytes:
    """Return the error object: code, msg and, when there are any, details.

    The daemon adds its hint to the details, which runtimes show after the cause; the plugin
    executables (`with_hint=False`) print what the reference prints.
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
