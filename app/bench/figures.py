"""A measured figure, and where it is told: a Markdown table for people, JSON for programs."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import typer

from app.inference.cores import usable_cores
from app.inference.sessions import runtime_version


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure.

    Attributes:
        name: what was measured.
        value: in `unit`.
        measured_on: on what input, and how often.
        least, most: the budget, as far as there is one.
        interval: the smallest and the largest of repeated measurements, of which `value` is the median; None
            where there was one.
    """

    name: str
    value: float
    unit: str
    measured_on: str
    least: float | None = None
    most: float | None = None
    interval: tuple[float, float] | None = None

    @classmethod
    def over(
        cls,
        name: str,
        values: Sequence[float],
        unit: str,
        measured_on: str,
        *,
        least: float | None = None,
        most: float | None = None,
    ) -> Figure:
        """The median of repeated measurements, with their range."""
        interval = (min(values), max(values)) if len(values) > 1 else None
        return cls(name, statistics.median(values), unit, measured_on, least, most, interval)

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


def tell_figures(figures: Sequence[Figure], *, about: dict[str, Any], json_file: Path | None) -> None:
    """Print the table, and write the JSON if a file is named for it."""
    typer.echo(markdown(figures, about=about))
    if json_file is not None:
        write_figures(figures, json_file, about=about)


def markdown(figures: Sequence[Figure], *, about: dict[str, Any]) -> str:
    """What the figures depend on, and the figures as a table."""
    machine = ", ".join(f"{key} {value}" for key, value in about.items() if value is not None)
    rows = [
        f"| {figure.name} | {_value(figure)} | {_budget(figure)} | {figure.measured_on} |"
        for figure in figures
    ]
    return "\n".join(
        [f"{machine}.", "", "| figure | value | budget | measured on |", "|---|---:|---|---|", *rows]
    )


def write_figures(figures: Sequence[Figure], path: Path, *, about: dict[str, Any]) -> None:
    """Write `{"measured_with": ..., "figures": [...]}`: the attributes of each figure, and `met`."""
    document = {
        "measured_with": about,
        "figures": [asdict(figure) | {"met": figure.met} for figure in figures],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _value(figure: Figure) -> str:
    interval = "" if figure.interval is None else " [{:.4g}, {:.4g}]".format(*figure.interval)
    return f"{figure.value:.4g}{interval} {figure.unit}".rstrip()


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
