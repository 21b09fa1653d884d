"""`earsight-train guided`: fit what the guided localiser learns, or print the bridge it is given."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from rich.progress import track
from safetensors.torch import save_file

from app.inference.bundle import find_bundle, load_bundle
from app.settings import InferenceSettings
from training.guided.bridge import load_bridge
from training.guided.calibrate import evidence_of, fit_calibrator
from training.guided.cases import encode, read_cases
from training.guided.localizer import CALIBRATOR_WEIGHTS, PERSON_WEIGHTS, Evidence
from training.guided.person import empty_views, fit_person, person_views
from training.guided.pictures import pixels

SEED = 0
N_ANIMALS = 60

app = typer.Typer(no_args_is_help=True, help="The guided localiser.")
DataDir = Annotated[
    Path, typer.Option("--data", envvar="EARSIGHT_DATA", help="Directory of the training data.")
]
BundleName = Annotated[str, typer.Option(help="Bundle whose encoders are used.")]


@app.command()
def bridge() -> None:
    """Print which sounds are linked to which visual classes."""
    from training.guided.names import bridge_table

    Console().print(bridge_table())


@app.command()
def suggest() -> None:
    """Print what text similarity would link the sounds to that have no link."""
    from training.guided.names import suggestion_table

    Console().print(suggestion_table())


@app.command()
def fit(data: DataDir, bundle: BundleName = "default") -> None:
    """Fit the person probe and the calibrator on what the bundle's encoders see and hear."""
    settings = InferenceSettings(bundle=bundle)
    encoders = load_bundle(find_bundle(bundle, settings), settings)
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    probe_views = person_views(data, rng) + empty_views(_animals(data))
    size = encoders.manifest.input_size
    seen = encode([pixels(view.picture, data, size) for view in track(probe_views, "persons")], encoders)
    person = fit_person(seen.tokens.float().reshape(len(probe_views), -1, 384), probe_views, seed=SEED)
    save_file(person.state_dict(), PERSON_WEIGHTS)

    evidence = Evidence(load_bridge(), person).eval()
    views, rows = read_cases(data, encoders, rng)
    features, strongest = evidence_of(evidence, rows, views.tokens, views.class_maps)
    tokens = views.tokens.flatten(1, 2)
    calibrator = fit_calibrator(features, strongest, rows, tokens, seed=SEED)
    save_file(calibrator.state_dict(), CALIBRATOR_WEIGHTS)
    right = sum(row.target.any() for row in rows)
    Console().print(
        f"{len(views.tokens)} views, {right} rows with the right sound, {len(rows) - right} without"
    )


def _animals(data: Path) -> list[str]:
    """Pictures of pets, which show no person."""
    with (data / "images.csv").open(newline="", encoding="utf-8") as handle:
        pets = [row["file"] for row in csv.DictReader(handle) if row["dataset"] == "oxford_pets370"]
    return pets[:: max(1, len(pets) // N_ANIMALS)]
