"""`earsight-train simkd-trial` on made-up frames as wide as those of the default bundle."""

import json
from types import SimpleNamespace

import pytest
import torch
from typer.testing import CliRunner

import app.inference.bundle
import training.methods.simkd.running
from tests.training.methods.simkd.made_students import quick_trunk, random_backbone
from tests.training.trial.made_views import scene, write_views
from training.cli import cli
from training.evaluation.models import as_localizer
from training.guided.localizer import load_localizer
from training.loop.checkpoint import read_checkpoint
from training.methods.simkd.loading import load_student
from training.trial.distilled import NAMES, TEACHER

SMALL = {"side": 64, "reduction": 16, "frozen": 11, "batch": 2}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs the command with a cache to train on and one to measure on."""
    localize, asked = as_localizer(load_localizer()), []
    teacher = SimpleNamespace(localize=lambda *given: asked.append(given[0]) or localize(*given))
    monkeypatch.setattr(app.inference.bundle, "load_bundle", lambda *_: teacher)
    monkeypatch.setattr(training.methods.simkd.running, "load_efficientnet_lite", random_backbone)
    monkeypatch.setattr(training.methods.simkd.running, "trunk_runner", quick_trunk)
    scenes = [scene(0, "train"), scene(1, "train"), scene(2, "train", sound=False), scene(3, "val")]
    cache = write_views(tmp_path / "cache", scenes)
    test = write_views(tmp_path / "unseen", [scene(n, "test") for n in range(10, 14)])

    def invoke(*arguments, test=test):
        given = [part for key, value in SMALL.items() for part in ("--set", f"{key}={value}")]
        places = ["--cache", cache, "--test", test, "--out", tmp_path / "out"]
        options = ["--epochs", 1, *given, *arguments]
        return CliRunner().invoke(cli, [*map(str, ("simkd-trial", *places, *options))])

    invoke.asked = asked  # tokens that the localiser of the bundle was given
    return invoke


def test_a_trial_compares_simkd_with_its_controls_and_goes_on_where_it_was(run, tmp_path):
    result = run()
    assert result.exit_code == 0, result.output
    assert result.output.count("4 frames to learn from, views included; 2 to validate by") == 3
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir() if path.is_dir()) == [
        "seed0-alone",
        "seed0-logits",
        "seed0-simkd",
    ]
    content = json.loads((out / "trial.json").read_text())
    assert (content["about"]["seeds"], content["about"]["config"]["side"]) == (1, 64)
    (gallery,) = content["galleries"]
    assert (gallery["name"], gallery["n"]) == ("unseen", 4)
    names = [row["name"] for row in gallery["rows"]]
    assert names == [TEACHER, *NAMES.values(), "whole image", "centre disc"]
    rows = {row["name"]: row["everywhere"]["pointing"]["value"] for row in gallery["rows"][:4]}
    assert rows[TEACHER] == 100  # the class map says where the dog is
    assert len(run.asked) == 2  # for the teacher and SimKD: the others have a localiser of their own
    verdicts = [(verdict["arm"], verdict["control"]) for verdict in gallery["verdicts"]]
    assert verdicts == [("SimKD", NAMES["logits"]), ("SimKD", NAMES["alone"]), ("SimKD", TEACHER)]
    for verdict in gallery["verdicts"]:
        assert verdict["ahead"]["value"] == rows["SimKD"] - rows[verdict["control"]]
    table = (out / "trial.md").read_text()
    assert all(f"| {name} |" in table for name in names)

    for objective in NAMES:
        path = out / f"seed0-{objective}" / "best.ckpt"
        student, own = load_student(path)
        assert student.shapes == (16, 384, 2)
        parts = {name.split(".")[0] for name in read_checkpoint(path).state}
        assert parts == ({"student"} if objective == "simkd" else {"student", "localizer"})
        if own is None:
            assert objective == "simkd"
            continue
        fitted = load_localizer()
        assert not torch.equal(own.evidence.person.layers[0].weight, fitted.evidence.person.layers[0].weight)
        last, before = (one.calibrator.members[0].layers[-1].weight for one in (own, fitted))
        assert (last - before).abs().max() > 0.05  # it does not begin where the teacher is

    (out / "trial.json").unlink()
    again = run()
    assert again.exit_code == 0, again.output
    assert "frames to learn from" not in again.output  # nothing is trained twice
    assert json.loads((out / "trial.json").read_text()) == content


def test_what_is_wrong_is_said_in_a_line_before_anything_is_trained(run, tmp_path):
    plain = write_views(tmp_path / "plain", [scene(0, "test")], fields=("class_map",))
    deaf = write_views(tmp_path / "deaf", [scene(0, "test")], fields=("raw",))
    unknown = write_views(
        tmp_path / "unknown", [scene(0, "test", known=False), scene(1, "test", sound=False)]
    )
    for result, message in (
        (run("--set", "smell=1"), "unknown key smell"),
        (run(test=plain), "plain holds no frames: make it anew with --fields class_map,raw"),
        (run(test=deaf), "deaf has no class maps"),
        (run(test=unknown), "unknown has no moment whose source is heard, in sight and marked"),
        (run("--bundle", "none-such"), "there is no bundle 'none-such'"),
    ):
        assert result.exit_code == 1
        assert result.output.startswith("error: ")
        assert message in result.output
        assert result.output.count("\n") == 1
    assert not (tmp_path / "out").exists()
