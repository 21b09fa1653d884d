"""A measured figure, and where it is told: a table for people, JSON for programs."""

from __future__ import annotations

import json
import os
import platform
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from app.inference.cores import usable_cores
from app.inference.sessions import runtime_version

_PIPE_WIDTH = 160


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure.

    Attributes:
        name: what was measured.
        value: in `unit`.
        measured_on: on what input, and how often.
        least, most: the budget, as far as there is one.
    """

    name: str
    value: float
    unit: str
    measured_on: str
    least: float | None = None
    most: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the budget is kept; None without one."""
        if self.least is None and self.most is None:
            return None
        return (self.least is None or self.value >= self.least) and (
            self.most is None or self.value <= self.most
        )


def machine() -> dict[str, Any]:
    """What a figure depends on besides the code."""
    return {
        "processor": _processor(),
        "cores": usable_cores(),
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "onnxruntime": runtime_version(),
        "earsight": version("earsight"),
    }


def print_figures(figures: list[Figure], *, about: dict[str, Any]) -> None:
    """Print the table to standard output."""
    table = Table("figure", "value", "budget", "measured on")
    for figure in figures:
        table.add_row(figure.name, f"{figure.value:.4g} {figure.unit}", _budget(figure), figure.measured_on)
    console = Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH, markup=False, highlight=False)
    console.print(", ".join(f"{key} {value}" for key, value in about.items() if value is not None))
    console.print(table)


def write_figures(figures: list[Figure], path: Path, *, about: dict[str, Any]) -> None:
    """Write `{"measured_with": ..., "figures": [{name, value, unit, measured_on, least, most, met}]}`."""
    document = {
        "measured_with": about,
        "figures": [asdict(figure) | {"met": figure.met} for figure in figures],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _budget(figure: Figure) -> str:
    if figure.met is None:
        return ""
    bounds = [f"at least {figure.least:g}"] if figure.least is not None else []
    bounds += [f"at most {figure.most:g}"] if figure.most is not None else []
    return f"{', '.join(bounds)}: {'kept' if figure.met else 'MISSED'}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())
