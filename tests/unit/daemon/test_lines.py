"""Log lines stay one line, whatever users put into names."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypod.daemon.lines import LineFormatter, begin, bound, fields


def line(message: str, *args: object) -> str:
    record = logging.LogRecord("polypod", logging.WARNING, "f", 1, message, args, None)
    return LineFormatter().format(record)


def test_a_line_has_time_level_event_and_what_is_bound() -> None:
    with bound(pod="default/web", container="c1"):
        written = line("attach.done ms=3")

    assert written.partition(" ")[2] == (
        "level=warning event=attach.done pod=default/web container=c1 ms=3"
    )
    assert "pod=" not in line("later.event")


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("plain-1.2/x:y", "k=plain-1.2/x:y"),
        ("two words", 'k="two words"'),
        ('"; level=info', 'k="\\"; level=info"'),
        ("a\nb=c", 'k="a\\nb=c"'),
        (1.25, "k=1.2"),
        ("", ""),
    ],
)
def test_a_hostile_value_is_quoted(value: object, written: str) -> None:
    assert fields(k=value) == written


def test_a_long_value_is_cut() -> None:
    assert len(fields(k="x" * 10_000)) < 400


@given(st.text())
def test_one_event_is_one_line(text: str) -> None:
    for written in (line("a.b cause=%s", text), line("a.b %s", fields(k=text))):
        assert len(written.splitlines()) == 1


def test_a_traceback_stays_in_its_line() -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        record = logging.LogRecord("p", logging.ERROR, "f", 1, "a.b", (), sys.exc_info())

    written = LineFormatter().format(record)

    assert len(written.splitlines()) == 1
    assert "event=a.b traceback=" in written and "ValueError" in written


@pytest.fixture
def loggers_as_before() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("polypod")
    levels, handlers = (root.level, ours.level), root.handlers[:]
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


@pytest.mark.usefixtures("loggers_as_before")
def test_every_step_of_ours_is_told_and_of_libraries_what_goes_wrong(
    capsys: pytest.CaptureFixture[str],
) -> None:
    begin("debug")

    logging.getLogger("polypod.node").debug("node.looked")
    logging.getLogger("hpack.hpack").debug("Encoding 3 with 7 bits")
    logging.getLogger("hpack.hpack").warning("odd")

    told = [line.partition("level=")[2] for line in capsys.readouterr().err.splitlines()]
    assert told == ["debug event=node.looked", "warning event=odd"]


@pytest.mark.usefixtures("loggers_as_before")
def test_who_wants_errors_only_gets_no_warnings_of_libraries(
    capsys: pytest.CaptureFixture[str],
) -> None:
    begin("error")

    for name in ("polypod.node", "hpack.hpack"):
        logging.getLogger(name).warning("a.b")

    assert capsys.readouterr().err == ""
