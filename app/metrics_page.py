"""Writes docs/metrics.md from the instruments themselves: `python -m app.metrics_page > docs/metrics.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from prometheus_client.metrics import MetricWrapperBase

from app.telemetry.metrics import Metrics

_INTRODUCTION = """\
# Metrics

What `GET /metrics` answers, in the text format of Prometheus; [observability.md](observability.md) says how
to use it. A histogram `x` is there as `x_bucket`, `x_sum` and `x_count`. Beside these the figures of the
process itself are there: `process_resident_memory_bytes`, `process_cpu_seconds_total`, `process_open_fds` and
their like. This page is generated: `python -m app.metrics_page > docs/metrics.md`.
"""


def metrics_page() -> str:
    """The whole page as Markdown."""
    lines = [_INTRODUCTION, "| metric | type | labels | meaning |", "|---|---|---|---|"]
    for instrument in _instruments():
        (family,) = instrument.describe()
        labels = ", ".join(f"`{label}`" for label in instrument._labelnames)
        name = family.name + ("_total" if family.type == "counter" else "")
        lines.append(f"| `{name}` | {family.type} | {labels} | {family.documentation} |")
    return "\n".join([*lines, ""])


def _instruments() -> Iterator[MetricWrapperBase]:
    for instrument in vars(Metrics()).values():
        if isinstance(instrument, MetricWrapperBase):
            yield instrument


if __name__ == "__main__":
    sys.stdout.write(metrics_page())
