"""Another daemon of its own state, beside the node's."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.e2e.node import POLYPOD, Node, is_served
from tests.e2e.programs import Program


@contextmanager
def daemon(node: Node, name: str, *words: str) -> Generator[Program]:
    """Run another daemon of its own state beside the node's."""
    folder = node.root / name
    folder.mkdir()
    options = ("--socket", str(folder / "sock"), "--state", str(folder / "state"))
    program = Program(name, [POLYPOD, "daemon", *options, *words], folder / "log")
    program.start()
    try:
        program.wait_until(lambda: is_served(folder / "sock"), "serves")
        yield program
    finally:
        program.stop()
