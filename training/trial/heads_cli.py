"""`earsight-train heads-trial`: the detector and the explainer that ship, behind the encoders of a bundle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from training.methods.command import explained
from training.trial.cli import BundleName, TestDirs
from training.trial.explained_cli import FaithfulClips

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

OutDir = Annotated[Path, typer.Option("--out", metavar="DIR", help="Gets heads.json and heads.md.")]


@app.command()
def trial(
    tests: TestDirs, out: OutDir, bundle: BundleName = "default", faithful_clips: FaithfulClips = 50
) -> None:
    """Measure boxes and explanations of the shipped heads on caches that were made with a bundle (`cache
    --bundle`), such as one of a student. Nothing is trained."""
    with explained():
        from dataclasses import asdict

        from app.settings import Settings
        from training.cache.index import CacheError
        from training.cache.reading import open_cache
        from training.detector.shipped import load_shipped as load_detector
        from training.evaluation.models import open_model
        from training.evaluation.tables import print_tables, to_markdown
        from training.explainer.shipped import load_shipped as load_explainer
        from training.trial import boxed_report, explained_report
        from training.trial.boxed import boxed_gallery
        from training.trial.boxed_arms import TRAINED, WITH_SOUND, BoxedArm, find, fixed_arms, with_sound

        model = open_model(bundle, Settings().inference)
        detector, stan = load_detector(), load_explainer().explainer
        drawn, content = [], []
        for path in tests:
            cache = open_cache(path)
            if cache.encoders.graphs["visual"] != model.bundle.manifest.file("visual").sha256:
                raise CacheError(f"{path} was not made with {bundle}: make it anew with --bundle {bundle}")
            gallery = boxed_gallery(cache, path.name, model.localize)
            found = find(detector, gallery)
            arms = [
                BoxedArm(TRAINED, [found]),
                BoxedArm(WITH_SOUND, [with_sound(found, detector, gallery)]),
                *fixed_arms(gallery),
            ]
            boxes = boxed_report.report_on(gallery, arms, val=gallery)
            why = explained_report.report_on(
                cache, path.name, [stan], model.localize, faithful_clips=faithful_clips, say=typer.echo
            )
            drawn += [*boxed_report.tables(boxes), *explained_report.tables(why)]
            content.append({"boxes": asdict(boxes), "explanations": asdict(why)})
        print_tables(drawn)
        out.mkdir(parents=True, exist_ok=True)
        document = {"about": {"bundle": bundle}, "tests": content}
        (out / "heads.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        (out / "heads.md").write_text("\n".join(map(to_markdown, drawn)), encoding="utf-8")
        typer.echo(f"All figures: {out / 'heads.json'}; tables: {out / 'heads.md'}")
