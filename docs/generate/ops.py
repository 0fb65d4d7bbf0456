"""docs/reference/ops.md: the vocabulary of effects, from the docstrings of plan/ops.py."""

from __future__ import annotations

import typing

import msgspec
from docs.generate.markdown import cell, code, docstring, page, table

from polypod.plan import ops

LEAD = """
A plan is a tuple of ops. Each is a value: it can be journaled before it happens, printed by
`polypod explain` and `--dry-run`, carried out by `kernel/apply.py` or the store, and taken back
from the journal alone. A *private* op belongs to one attachment and is undone by DEL; a *shared*
one (a bridge, a gateway address, forwarding) belongs to nobody alone and stays.
"""


def kinds() -> tuple[type[msgspec.Struct], ...]:
    """Return every op, in the order of the module."""
    return typing.get_args(ops.Op)


def render() -> str:
    """Return the page."""
    rows = [
        (f"[`{kind.__name__}`](#{kind.__name__.lower()})", _kind(kind), cell(_summary(kind)))
        for kind in kinds()
    ]
    return page(
        "Ops",
        LEAD,
        table(("Op", "Kind", "What it does"), rows),
        *(_section(kind) for kind in kinds()),
    )


def _kind(kind: type[msgspec.Struct]) -> str:
    return "shared" if kind in ops.SHARED else "private"


def _summary(kind: type[msgspec.Struct]) -> str:
    return docstring(kind).split("\n\n")[0]


def _section(kind: type[msgspec.Struct]) -> str:
    rows = [
        (code(field.name), code(_type(field.type)), _default(field))
        for field in msgspec.structs.fields(kind)
    ]
    return f"## {kind.__name__}\n\n{docstring(kind)}\n\n" + table(
        ("Field", "Type", "Default"), rows
    )


def _type(found: object) -> str:
    name = getattr(found, "__name__", "") if isinstance(found, type) else str(found)
    origin = typing.get_origin(found)
    if origin is tuple:
        inner = ", ".join(_type(arg) for arg in typing.get_args(found) if arg is not Ellipsis)
        return f"tuple of {inner}"
    if origin is not None or "|" in str(found):
        return " or ".join(_type(arg) for arg in typing.get_args(found))
    return {"NoneType": "none", "str": "text", "int": "number", "bool": "flag"}.get(name, name)


def _default(field: msgspec.structs.FieldInfo) -> str:
    value = field.default
    if value is msgspec.NODEFAULT:
        return "required"
    if value == ():
        return "none"
    return "empty" if value == "" else code(str(value).lower())
