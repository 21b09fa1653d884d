"""`earsight-train naming-trial`: what things are called by the detector, by a bridge and by language."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from training.methods.command import explained
from training.trial.cli import TestDirs

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

OutDir = Annotated[Path, typer.Option("--out", metavar="DIR", help="Gets naming.json and naming.md.")]


@app.command()
def trial(tests: TestDirs, out: OutDir) -> None:
    """Name things in their true boxes, and in those that the default bundle finds: by its detector, by what
    is seen, by what is heard, and by what links the two: the bridge, made by hand, or how near their names
    are. Nothing is trained."""
    with explained():
        from dataclasses import asdict

        from app.inference.bundle import SHIPPED_BUNDLES, load_bundle
        from app.settings import Settings
        from training.cache.reading import open_cache
        from training.detector.shipped import load_shipped
        from training.encoders.events import EVENT_NAMES
        from training.evaluation.tables import print_tables, to_markdown
        from training.guided.names import class_names
        from training.methods.language_guidance.naming import name_link
        from training.trial.named import named_things
        from training.trial.named_boxes import found_things
        from training.trial.named_report import report_on, tables

        detector = load_shipped()
        link = name_link(class_names(), EVENT_NAMES)
        bundle = load_bundle(SHIPPED_BUNDLES / "default", Settings().inference)
        reports = []
        for path in tests:
            cache = open_cache(path)
            things = named_things(cache, path.name, detector)
            found, boxes = found_things(cache, path.name, bundle)
            reports.append(report_on(things, link, found=found, boxes=boxes))
        drawn = [table for report in reports for table in tables(report)]
        print_tables(drawn)
        out.mkdir(parents=True, exist_ok=True)
        content = json.dumps({"galleries": [asdict(report) for report in reports]}, indent=1)
        (out / "naming.json").write_text(content + "\n", encoding="utf-8")
        (out / "naming.md").write_text("\n".join(map(to_markdown, drawn)), encoding="utf-8")
        typer.echo(f"All figures: {out / 'naming.json'}; tables: {out / 'naming.md'}")
