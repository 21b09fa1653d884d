import json

import pytest
from typer.testing import CliRunner

from app.inference.manifest import read_manifest
from tests.tiny_bundle import visual_graph
from training.cli import cli
from training.onnx_graph import set_precision
from training.student import adding


@pytest.fixture
def run(bundles, monkeypatch):
    """Runs the command without the export, which takes seconds."""
    monkeypatch.setenv("EARSIGHT_INFERENCE__BUNDLE_DIRS", json.dumps([str(bundles)]))

    def graph(_student, side):
        model = visual_graph(side)
        set_precision(model, "fp32")
        return model

    monkeypatch.setattr(adding, "student_graph", graph)

    def invoke(*arguments, bundle="big"):
        options = ["--out", bundles / "quick", "--bundle", bundle]
        return CliRunner().invoke(cli, [*map(str, ("add-student", *arguments, *options))])

    return invoke


def test_the_command_writes_a_bundle_and_says_how_much_of_it_is_its_own(run, bundles, save_student):
    options = ["--bundle-version", "2.0", "--licence", "CC0-1.0", "--training-data", "pictures"]
    result = run(save_student(), *options)
    assert result.exit_code == 0, result.output
    assert result.output.startswith(
        f"Bundle quick 2.0 in {bundles / 'quick'}: 0.0 MB of its own, 0.0 MB shared"
    )
    written = read_manifest(bundles / "quick")
    assert (written.name, written.version, written.licence) == ("quick", "2.0", "CC0-1.0")
    assert written.training_data == ("student: pictures",)


def test_what_is_wrong_is_said_in_a_line(run, bundles, save_student):
    for result, message in (
        (run(save_student(), bundle="none-such"), "there is no bundle 'none-such'"),
        (run(save_student(objective="alone")), "was trained for a comparison"),
    ):
        assert result.exit_code == 1
        assert result.output.startswith("error: ")
        assert message in result.output
        assert result.output.count("\n") == 1
    assert not (bundles / "quick").exists()
