import shlex
from typing import NamedTuple

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from app.errors import BundleError
from app.inference.bundle import load_bundle
from app.inference.manifest import MANIFEST, read_manifest
from app.settings import InferenceSettings
from tests.training.methods.made_scenes import WIDTHS, save_untrained
from tests.training.methods.simkd.made_students import random_student, three_classes
from training.encoders.frozen import freeze
from training.loop.checkpoint import CheckpointError
from training.methods.cmc.config import CmcConfig
from training.methods.cmc.module import Cmc
from training.methods.command import read_settings
from training.methods.simkd.config import SimkdConfig
from training.methods.simkd.loading import load_student
from training.methods.simkd.student import Shapes, Student
from training.precision import store_as_half
from training.student import adding
from training.student.adding import add_student, student_graph
from training.trained import Description

DESCRIPTION = Description("quick", "1.2.3", "CC-BY-4.0", ("pictures that we made, CC0-1.0",))
FRAMES = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
ON_CPU = InferenceSettings(device="cpu", threads=1)


class Graphs(NamedTuple):
    whole: onnx.ModelProto
    stored: onnx.ModelProto  # with weights of half the size
    student: Student


@pytest.fixture(scope="module")
def graphs():
    """Of the student that `save_student` writes: an export takes seconds."""
    whole = []

    def store(model):
        whole.append(model)
        return store_as_half(model)

    with three_classes(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(adding, "store_as_half", store)
        student = freeze(random_student().half().float())
        stored = student_graph(student, 64)
    return Graphs(whole[0], stored, student)


@pytest.fixture
def add(bundles, save_student, graphs, monkeypatch):
    """Adds a student to a bundle."""

    def graph(student, side):
        known = graphs.student.state_dict()
        assert all(torch.equal(part, known[name]) for name, part in student.state_dict().items())
        assert side == 64
        return graphs.stored

    monkeypatch.setattr(adding, "student_graph", graph)

    def run(bundle="big", path=None, out=bundles / "quick", description=DESCRIPTION):
        return add_student(bundles / bundle, path or save_student(), out, description=description)

    return run


@pytest.mark.parametrize(("kind", "tolerance"), [("whole", 1e-4), ("stored", 5e-3)])
def test_the_graph_answers_as_the_student(graphs, kind, tolerance):
    session = onnxruntime.InferenceSession(getattr(graphs, kind).SerializeToString())
    found = session.run(None, {"frames": FRAMES})
    with torch.inference_mode():
        wanted = graphs.student(torch.from_numpy(FRAMES))
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, atol=tolerance)
        assert other.std() > 0.02
    assert [output.name for output in session.get_outputs()] == ["tokens", "class_map"]


def test_the_weights_take_half_the_room(graphs):
    sizes = [len(graph.SerializeToString()) for graph in (graphs.stored, graphs.whole)]
    assert sizes[0] < 0.55 * sizes[1]


def test_the_new_bundle_sees_with_the_student_and_shares_all_else(add, bundles, graphs):
    written, before = add(), read_manifest(bundles / "big")
    out = bundles / "quick"
    assert {path.name for path in out.iterdir()} == {MANIFEST, "visual.onnx"}
    bundle = load_bundle(out, ON_CPU)
    assert bundle.manifest == written == read_manifest(out)
    tokens, class_map = bundle.visual(FRAMES)
    np.testing.assert_allclose(tokens, graphs.student(torch.from_numpy(FRAMES))[0], atol=5e-3)
    events = np.float32([[1, 0, 0, 0]] * 3)
    heat, _ = bundle.localize(tokens, class_map, events, np.ones((3, 2), np.float32))
    np.testing.assert_allclose(heat, tokens.mean(3), atol=1e-5)

    assert (written.name, written.version, written.licence) == ("quick", "1.2.3", "CC-BY-4.0")
    assert (written.input_size, before.input_size) == (64, 32)
    assert (written.tasks, written.grid, written.events) == (before.tasks, before.grid, before.events)
    assert (written.detector, written.explainer) == (before.detector, before.explainer)
    visual, *shared = written.files
    assert (visual.role, visual.bundle, visual.inputs[0].shape) == ("visual", None, ("N", 64, 64, 3))
    assert [entry.role for entry in shared] == ["audio", "localize", "detect", "explain"]
    assert all(entry.bundle == "big" for entry in shared)
    assert [entry.model_copy(update={"bundle": None}) for entry in shared] == list(before.files[1:])
    assert written.encoders["tokens"] == "EfficientNet-Lite0 at 64 px, distilled from big 1"
    assert written.training_data == ("student: pictures that we made, CC0-1.0",)
    backbone, head, *_ = written.weights
    assert backbone.name.startswith("EfficientNet-Lite0")
    assert (head.licence, head.source) == ("CC-BY-4.0", "best.ckpt")


def test_the_training_command_of_the_manifest_can_be_given_again(add, save_student):
    first, second = add().training_command.split(" && ")
    assert first == "none"
    command = shlex.split(second)
    assert command[:2] == ["earsight-train", "simkd"]
    student, _ = load_student(save_student())
    assert read_settings(SimkdConfig, None, command[3::2]).frozen == student.frozen


def test_what_the_teacher_shares_itself_is_taken_from_where_it_lies(add, bundles):
    written = add("tiny-small")
    assert {entry.bundle for entry in written.files[1:]} == {"big"}
    assert load_bundle(bundles / "quick", ON_CPU).manifest.input_size == 64


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (Shapes(6, 3, 2), r"trained on tokens of 6 x 6 x 3, .*big gives 4 x 4 x 3"),
        (Shapes(4, 5, 2), r"trained on tokens of 4 x 4 x 5, .*big gives 4 x 4 x 3"),
        (Shapes(4, 3, 7), r"trained on class_map of 7 x 7 x 3, .*big gives 2 x 2 x 3"),
    ],
)
def test_a_student_of_another_teacher_is_refused(add, bundles, save_student, shapes, message):
    with pytest.raises(CheckpointError, match=message):
        add(path=save_student(shapes))
    assert not (bundles / "quick").exists()


@pytest.mark.parametrize("objective", ["logits", "alone"])
def test_what_was_trained_for_a_comparison_is_refused(add, bundles, save_student, objective):
    with pytest.raises(CheckpointError, match=r"best\.ckpt was trained for a comparison, not for the heads"):
        add(path=save_student(objective=objective))
    assert not (bundles / "quick").exists()


def test_what_is_no_student_or_no_bundle_is_named(add, bundles, tmp_path):
    localiser = save_untrained(Cmc(CmcConfig(width=16), WIDTHS), tmp_path / "cmc.ckpt")
    with pytest.raises(CheckpointError, match=r"cmc\.ckpt holds cmc, not a student"):
        add(path=localiser)
    with pytest.raises(BundleError, match=r"no readable manifest\.json in .*nowhere"):
        add("nowhere")
    assert not (bundles / "quick").exists()


def test_a_bundle_is_not_changed_in_its_place_and_a_name_must_serve(add, bundles):
    before = (bundles / "big" / MANIFEST).read_bytes()
    with pytest.raises(ValueError, match="is the bundle itself: name another directory"):
        add(out=bundles / "tiny-small" / ".." / "big")
    assert (bundles / "big" / MANIFEST).read_bytes() == before
    with pytest.raises(ValueError, match="no name for a bundle"):
        add(description=Description("Quick"))
    assert not (bundles / "quick").exists()
