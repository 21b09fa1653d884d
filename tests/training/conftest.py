"""Made-up cases, and the published weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import training.evaluate
from tests.training.made_up import MadeCase, encode, listener
from training.encoders.weights import PublishedWeights, WeightsMissing, published_path
from training.evaluation.cases import Encoded, Role
from training.evaluation.report import Report
from training.evaluation.score import evaluate_localizer


@pytest.fixture(scope="session")
def made_cases() -> Encoded:
    """Two cases of each kind, none covering the centre but the first; the fourth has no truth. Do not write
    to it."""
    return encode(
        [
            MadeCase("human", (5, 5)),
            MadeCase("human", (0, 9)),
            MadeCase("animal", (9, 0)),
            MadeCase("animal", (9, 9), role=Role.UNJUDGED),
            MadeCase("drums", (0, 0)),
            MadeCase("music", (1, 1)),
        ]
    )


@pytest.fixture(scope="session")
def heard_report(made_cases: Encoded) -> Report:
    """Of a localiser that listens, on `made_cases`."""
    return evaluate_localizer(listener, made_cases).report


@pytest.fixture
def evaluate(tiny_bundles: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs `earsight-train evaluate` in this process, with the tiny bundle."""
    monkeypatch.delenv("EARSIGHT_DATA", raising=False)
    monkeypatch.setenv("EARSIGHT_INFERENCE__BUNDLE_DIRS", json.dumps([str(tiny_bundles)]))
    monkeypatch.setenv("EARSIGHT_INFERENCE__DEVICE", "cpu")

    def run(*arguments: object) -> Result:
        command = [*map(str, arguments), "--bundle", "tiny"]
        return CliRunner().invoke(training.evaluate.app, command)

    return run


@pytest.fixture(scope="session")
def published() -> Callable[[PublishedWeights], Path]:
    """Path of published weights; skips the test where they have not been fetched."""

    def find(weights: PublishedWeights) -> Path:
        try:
            return published_path(weights)
        except WeightsMissing as missing:
            pytest.skip(str(missing))

    return find
