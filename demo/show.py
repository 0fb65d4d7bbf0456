"""What the reader sees: steps as they are done, tables, and marks for what was checked.

Colour and lines only on a terminal; NO_COLOR is respected; a pipe gets plain text.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from demo.matrix import Matrix

PLAIN_WIDTH = 100


class Screen:
    """Prints, and counts what was not as expected."""

    def __init__(self) -> None:
        """Write to standard output."""
        is_terminal = sys.stdout.isatty()
        self._console = Console(highlight=False, width=None if is_terminal else PLAIN_WIDTH)
        self.checked = 0
        self.failed = 0

    def title(self, text: str) -> None:
        """Begin a part."""
        self._line(f"\n[bold]{escape(text)}[/bold]")

    def say(self, text: str) -> None:
        """Print one line."""
        self._line(f"  {escape(text)}")

    def check(self, text: str, *, ok: bool, why: str = "") -> None:
        """Print what was checked, and why it is not so."""
        self.checked += 1
        self.failed += not ok
        mark = "[green]ok[/green]  " if ok else "[bold red]FAIL[/bold red]"
        self._line(f"  {mark}  {escape(text)}")
        if not ok and why:
            self._line(f"        {escape(why)}")

    def count(self, *, ok: bool) -> None:
        """Count a check that is shown elsewhere."""
        self.checked += 1
        self.failed += not ok

    def attachments(self, node: str, rows: Sequence[dict[str, Any]]) -> None:
        """Print the interfaces of a node's pods; rows as `polypod ps -o json` has them, and mac."""
        table = _table("pod", "interface", "network", "addresses", "MAC", "ms")
        table.columns[-1].justify = "right"
        last = ""
        for row in rows:
            table.add_row(
                row["pod"] if row["pod"] != last else "",
                row["interface"],
                str(row["network"]).removeprefix("default/"),
                "\n".join(row["addresses"]) or "none",
                row["mac"],
                f"{row['milliseconds']:.1f}",
            )
            last = row["pod"]
        self._print(f"node {node}", table)

    def matrix(self, found: Matrix) -> None:
        """Print one network's matrix: milliseconds, or that there is no way."""
        names = [member.place.owner for member in found.members]
        table = _table("from / to", *names)
        for column in table.columns[1:]:
            column.justify = "right"
        for source in names:
            cells = [self._cell(found, source, target) for target in names]
            table.add_row(source, *cells)
        self._print(found.title, table)
        for why in sorted(set(found.reasons.values())):
            self._line(f"  [dim]no: as it should be ({escape(why)})[/dim]")

    def _cell(self, found: Matrix, source: str, target: str) -> str:
        if source == target:
            return "[dim]-[/dim]"
        pair = (source, target)
        self.count(ok=found.is_as_expected(pair))
        heard = found.heard[pair]
        if heard is None:
            return "[dim]no[/dim]" if pair in found.reasons else "[bold red]LOST[/bold red]"
        text = f"{heard.seconds * 1000:.2f}"
        return f"[bold red]LEAK {text}[/bold red]" if pair in found.reasons else text

    def summary(self, found: Matrix) -> None:
        """Print a large matrix as one line, and each pair that is not as it should be."""
        times = sorted(heard.seconds * 1000 for heard in found.heard.values() if heard is not None)
        wrong = [pair for pair in found.heard if not found.is_as_expected(pair)]
        for pair in found.heard:
            self.count(ok=pair not in wrong)
        spread = f", {times[0]:.2f} to {times[-1]:.2f} ms" if times else ""
        self.say(
            f"{found.title}: {len(times)} of {len(found.heard)} pairs reach each other{spread}"
        )
        for source, target in wrong:
            self._line(f"    [bold red]LOST[/bold red] {source} to {target}")

    def _line(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)

    def _print(self, title: str, table: Table) -> None:
        self._line(f"\n  [bold cyan]{escape(title)}[/bold cyan]")
        self._console.print(Padding(table, (0, 0, 0, 2), expand=False))


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in columns:
        table.add_column(name, overflow="fold")
    return table
