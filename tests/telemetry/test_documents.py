"""docs/metrics.md, the dashboard and the alerts name the metrics that there are."""

import json
import re
from pathlib import Path
from typing import get_args

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from app.metrics_page import metrics_page
from app.telemetry.metrics import Metrics, Stage

DOCS = Path(__file__).parents[2] / "docs"
DASHBOARD = json.loads((DOCS / "dashboards" / "earsight.json").read_text(encoding="utf-8"))
ALERTS = yaml.safe_load((DOCS / "dashboards" / "alerts.yml").read_text(encoding="utf-8"))
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
EXPRESSIONS = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
EXPRESSIONS += [rule["expr"] for rule in RULES]

SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}


@pytest.fixture(scope="module")
def labels_of():
    """Which labels each series has."""
    metrics = Metrics()
    found = {}
    for instrument in vars(metrics).values():
        if hasattr(instrument, "describe"):
            (family,) = instrument.describe()
            for suffix in SUFFIXES[family.type]:
                found[family.name + suffix] = set(instrument._labelnames)
    for family in text_string_to_metric_families(metrics.render().decode()):
        found |= {sample.name: set() for sample in family.samples if sample.name.startswith("process_")}
    return found


def test_metrics_page_is_current():
    current = (DOCS / "metrics.md").read_text(encoding="utf-8")
    assert current == metrics_page(), "run: python -m app.metrics_page > docs/metrics.md"


@pytest.mark.parametrize(
    "name",
    [
        "http_requests_total",
        "http_request_seconds",
        "jobs_total",
        "jobs_in_progress",
        "job_queue_depth",
        "job_queue_wait_seconds",
        "stage_seconds",
        "frames_total",
        "video_seconds_total",
        "batch_items",
        "inference_seconds",
        "infer_items_total",
        "infer_runs_total",
        "decode_failures_total",
        "child_killed_total",
        "upload_bytes_total",
        "webhook_deliveries_total",
        "model_info",
        "scratch_bytes",
        "queue_depth",
    ],
)
def test_page_lists(name):
    assert f"| `earsight_{name}` |" in metrics_page()


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_series_and_label_that_is_asked_for_exists(labels_of, expression):
    asked = re.findall(r"\b((?:earsight|process)_\w+)(?:\{([^}]*)\})?", expression)
    assert asked or "up{" in expression
    for series, selector in asked:
        assert series in labels_of, series
        used = set(re.findall(r"(\w+)\s*=", selector)) - {"instance"}  # given by Prometheus
        assert used <= labels_of[series], series
    everywhere = set().union(*(labels_of[series] for series, _ in asked)) | {"le"}
    for group in re.findall(r"\bby \(([^)]*)\)", expression):
        assert set(group.split(", ")) <= everywhere


def test_dashboard_shows_what_one_looks_for_first():
    titles = " ".join(panel["title"] for panel in DASHBOARD["panels"])
    for word in ("Requests", "failed", "Queue", "p50", "p95", "Real-time factor", "Memory"):
        assert word in titles


def test_dashboard_can_be_imported():
    """It names no data source of its own, no panel covers another, and ids are unique."""
    assert {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]} == {"${datasource}"}
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in DASHBOARD["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


def test_alerts_say_what_happened_and_what_to_do():
    assert len(RULES) == 3
    for rule in RULES:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"]
        assert re.fullmatch(r"\d+m", rule["for"])
        assert rule["expr"].count("(") == rule["expr"].count(")")


def test_stages_in_the_page_are_those_of_the_code():
    page = (DOCS / "observability.md").read_text(encoding="utf-8").partition("## Log")[0]
    assert set(re.findall(r"^\| `(\w+)` \| ", page, re.MULTILINE)) - {"stage"} == set(get_args(Stage))
