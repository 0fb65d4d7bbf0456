"""Arguments, keys and numbers: what the parsers make of any text."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests.property.cni_values import JSON, SCALARS, TEXT

from polypod.cni import arguments, encode, fields
from polypod.cni.quote import quoted
from polypod.errors import DecodeError, PluginError

PIECES = st.text(st.characters(exclude_characters=";="), min_size=1, max_size=8)
PAIRS = st.lists(st.tuples(PIECES, PIECES), max_size=5)


@given(pairs=PAIRS)
def test_arguments_that_were_written_can_be_read(pairs: list[tuple[str, str]]) -> None:
    text = arguments.render(pairs)
    known = frozenset(key for key, _ in pairs) - {arguments.IGNORE_UNKNOWN}
    others = [(key, value) for key, value in pairs if key != arguments.IGNORE_UNKNOWN]

    assert arguments.pairs(text) == tuple(pairs)
    if others == pairs:
        assert arguments.parse(text, known) == dict(pairs)


@given(pairs=PAIRS.filter(bool), yes=st.sampled_from(["1", "true", "TRUE", "True"]))
def test_unknown_arguments_are_an_error_unless_they_may_be_ignored(
    pairs: list[tuple[str, str]], yes: str
) -> None:
    others = [(key, value) for key, value in pairs if key != arguments.IGNORE_UNKNOWN]
    text = arguments.render(others)
    told = arguments.render([*others, (arguments.IGNORE_UNKNOWN, yes)])

    assert arguments.parse(told, frozenset()) == {}
    if not others:
        return
    try:
        arguments.parse(text, frozenset())
    except PluginError as error:
        listed = " ".join(quoted(f"{key}={value}") for key, value in others)
        assert error.cause == f"ARGS: unknown args [{listed}]"  # noqa: PT017
    else:
        raise AssertionError(text)


@given(text=st.text(max_size=60))
def test_any_arguments_are_read_or_refused(text: str) -> None:
    try:
        found = arguments.parse(text, frozenset({"MAC", "IP"}))
    except PluginError:
        return
    assert set(found) <= {"MAC", "IP"}
    assert all(piece.count("=") == 1 for piece in text.split(";") if text)


@given(value=SCALARS, key=st.sampled_from(["name", "NAME", "Name", "nAmE"]), other=TEXT)
def test_keys_match_without_regard_to_case(value: object, key: str, other: str) -> None:
    mapping: dict[str, object] = {key: value}
    if other.casefold() != "name":
        mapping[other] = "no"

    assert fields.get(mapping, "name") == value


@given(first=SCALARS, last=SCALARS)
def test_the_last_of_two_equal_keys_wins(first: object, last: object) -> None:
    raw = f'{{"a":{json.dumps(first)},"a":{json.dumps(last)}}}'.encode()

    assert fields.get(fields.decode_object(raw, "x"), "a") == json.loads(json.dumps(last))


@given(value=JSON)
def test_null_is_absent_and_other_types_are_refused(value: Any) -> None:
    mapping = {"key": value}
    readers: list[tuple[Any, type[Any], object]] = [
        (fields.text, str, ""),
        (fields.flag, bool, False),
        (fields.number, int, None),
        (fields.table, dict, None),
        (fields.items, list, None),
    ]
    for read, kind, default in readers:
        if value is None:
            assert read(mapping, "key") == default
            continue
        is_right = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
        try:
            found = read(mapping, "key")
        except DecodeError as error:
            assert not is_right, error.cause  # noqa: PT017
        else:
            assert is_right
            assert found == (tuple(value) if isinstance(value, list) else value)


@given(raw=st.binary(max_size=200))
def test_any_bytes_are_an_object_or_a_decoding_failure(raw: bytes) -> None:
    try:
        found = fields.decode_object(raw, "what")
    except DecodeError as error:
        assert error.cause.startswith("what: ")  # noqa: PT017
    else:
        assert isinstance(found, dict)


@given(value=st.dictionaries(TEXT, JSON, max_size=4))
def test_a_configuration_that_was_encoded_can_be_decoded(value: dict[str, object]) -> None:
    raw = encode.compact(value)

    assert msgspec.json.decode(raw) == value
    assert raw == encode.compact(json.loads(raw))
    assert list(json.loads(raw)) == sorted(value)


@given(value=st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3))
def test_what_is_printed_is_utf_8_without_html_signs(value: dict[str, object]) -> None:
    for raw in (encode.pretty(value), encode.compact(value)):
        text = raw.decode()
        assert not set("<>&\u2028\u2029") & set(text)
        json.loads(text)
