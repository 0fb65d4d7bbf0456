"""Log lines: one event each, key=value, with the pod and container a thread works for.

Values come from users: whatever they hold, a line stays one line and a value one value.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
import sys
import threading
import time
from collections.abc import Generator

LONGEST = 300
OURS = "polypod"
_plain = re.compile(r"[A-Za-z0-9_.:/@%+,\[\]-]+")
_breaking = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def begin(level: str) -> None:
    """Log to standard error from that level on; of libraries nothing below a warning.

    Their lines are no events of ours: each call to a runtime, for one, is some fifty of them.
    """
    output = logging.StreamHandler(sys.stderr)
    output.setFormatter(LineFormatter())
    chosen: int = getattr(logging, level.upper())
    everybody = logging.getLogger()
    everybody.addHandler(output)
    everybody.setLevel(max(chosen, logging.WARNING))
    logging.getLogger(OURS).setLevel(chosen)


class _Bound(threading.local):
    text: str = ""


_bound = _Bound()


def fields(**values: object) -> str:
    """Return `key=value` for each value that says something; hostile ones are quoted and cut."""
    return " ".join(f"{key}={_value(value)}" for key, value in values.items() if value != "")


@contextlib.contextmanager
def bound(**values: object) -> Generator[None]:
    """Put these fields into every line this thread logs meanwhile."""
    before = _bound.text
    _bound.text = fields(**values)
    try:
        yield
    finally:
        _bound.text = before


def _value(value: object) -> str:
    text = f"{value:.1f}" if isinstance(value, float) else str(value)
    if len(text) > LONGEST:
        text = text[:LONGEST] + "..."
    return text if _plain.fullmatch(text) else json.dumps(text)


class LineFormatter(logging.Formatter):
    """Writes `time level event`, what is bound, and the event's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        event, _, rest = record.getMessage().partition(" ")
        if record.exc_info:
            rest = f"{rest} traceback={json.dumps(self.formatException(record.exc_info))}"
        moment = time.gmtime(record.created)
        parts = (
            f"time={time.strftime('%Y-%m-%dT%H:%M:%S', moment)}.{int(record.msecs):03d}Z",
            f"level={record.levelname.lower()}",
            f"event={event}",
            _bound.text,
            rest.strip(),
        )
        return _breaking.sub(_escaped, " ".join(part for part in parts if part))


def _escaped(found: re.Match[str]) -> str:
    return f"\\x{ord(found[0]):02x}"
