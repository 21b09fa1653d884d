"""Tables: described once, drawn on the terminal and written to the docs, so that the two agree."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table as RichTable

from training.metrics.intervals import Estimate
from training.metrics.localization import Rule

RULE_NAMES = {
    Rule.ABSOLUTE: "threshold 0.5",
    Rule.HALF: "top 50 %",
    Rule.AREA: "GT area",
    Rule.MINMAX: "min-max 0.5",
}
NOTHING = "-"
_PIPE_WIDTH = 170  # columns where nobody says how wide the page is


@dataclass(frozen=True, slots=True)
class Table:
    """Text only. The first `n_left` columns are set left, the others right."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    n_left: int = 1


def to_rich(table: Table) -> RichTable:
    drawn = RichTable(title=table.title, title_justify="left")
    for index, name in enumerate(table.header):
        drawn.add_column(name, justify="left" if index < table.n_left else "right")
    for row in table.rows:
        drawn.add_row(*row)
    return drawn


def print_tables(tables: Iterable[Table]) -> None:
    """Draw tables on the terminal, or in a pipe at a width of our own."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_PIPE_WIDTH)
    for table in tables:
        console.print(to_rich(table))


def to_markdown(table: Table) -> str:
    rule = ["---" if index < table.n_left else "---:" for index in range(len(table.header))]
    lines = [" | ".join(cells) for cells in (table.header, rule, *table.rows)]
    return f"### {table.title}\n\n" + "\n".join(f"| {line} |" for line in lines) + "\n"


def number(value: float | None, *, digits: int = 1) -> str:
    return NOTHING if value is None else f"{value:.{digits}f}"


def cell(estimate: Estimate | None) -> str:
    """A value with its interval, to be compared with others in a row."""
    if estimate is None:
        return NOTHING
    return f"{estimate.value:.1f} [{estimate.low:.0f}, {estimate.high:.0f}]"


def line(name: str, estimate: Estimate, *, digits: int = 1) -> tuple[str, ...]:
    """A row of its own: name, value, interval, n."""
    interval = f"{estimate.low:.{digits}f} to {estimate.high:.{digits}f}"
    return name, f"{estimate.value:.{digits}f}", interval, str(estimate.n)
