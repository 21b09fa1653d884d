import json
import shlex

import numpy as np
import pytest
import torch

from app.errors import BundleError
from app.inference.bundle import load_bundle
from app.inference.manifest import read_manifest
from app.pipeline.detect import detect
from app.settings import InferenceSettings
from tests.training.methods.made_scenes import WIDTHS, save_untrained
from training.detector.adding import add_detector
from training.loop.checkpoint import CheckpointError
from training.methods.avdet.config import AvdetConfig
from training.methods.avdet.loading import load_detector
from training.methods.cmc.config import CmcConfig
from training.methods.cmc.module import Cmc
from training.methods.command import read_settings
from training.trained import Description

DESCRIPTION = Description("mine", "1.2.3", "CC-BY-4.0", ("blocks that we made, CC0-1.0", "our videos"))
ON_CPU = InferenceSettings(device="cpu", threads=1)


@pytest.fixture
def add(tiny_bundles, checkpoint, tmp_path):
    """Adds a detector, the trained one, to a bundle, the tiny one."""

    def run(bundle="tiny", path=checkpoint, out=tmp_path / "mine", description=DESCRIPTION):
        return add_detector(tiny_bundles / bundle, path, out, description=description)

    return run


@pytest.fixture
def frames():
    """A frame with a cyan block in the cells of rows 1 and 2 and columns 2 and 3, and a black one."""
    made = np.zeros((2, 32, 32, 3), np.uint8)
    made[0, 8:24, 16:32, 1:] = 255
    return made


def test_the_new_bundle_finds_things_in_frames(add, frames, tmp_path):
    add()
    bundle = load_bundle(tmp_path / "mine", ON_CPU)
    tokens, class_map = bundle.visual(frames)
    heat, _ = bundle.localize(tokens, class_map, np.float32([[1, 0, 0, 0]] * 2), np.ones((2, 2), np.float32))
    (thing, *_), nothing = detect(bundle, tokens, class_map, heat)
    np.testing.assert_allclose(thing.box, [0.5, 0.25, 1, 0.75], atol=0.12)
    assert thing.label == "cyan"
    assert thing.score > bundle.detector.threshold
    assert all(found.score < thing.score for found in nothing)


def test_it_answers_as_the_checkpoint(add, checkpoint, frames, tmp_path):
    add()
    bundle, detector = load_bundle(tmp_path / "mine", ON_CPU), load_detector(checkpoint)
    encoded = bundle.visual(frames)
    _, scores, _ = bundle.detect(*encoded)
    found = detector.find(detector.inputs.seen(*map(torch.from_numpy, encoded)))
    for frame in range(2):
        told = np.sort(scores[frame][scores[frame] > 0])[::-1]
        np.testing.assert_allclose(told, found.score[found.frame == frame], atol=1e-4)


def test_the_manifest_says_what_was_added(add, checkpoint, tiny_bundles, tmp_path):
    written, before, detector = add(), read_manifest(tiny_bundles / "tiny"), load_detector(checkpoint)
    assert read_manifest(tmp_path / "mine") == written
    assert (written.name, written.version) == ("mine", "1.2.3")
    assert written.tasks == ("localize", "detect")
    assert written.detector.labels == detector.names
    assert written.detector.threshold == pytest.approx(detector.threshold.item(), abs=1e-4)
    sounding = written.detector.sounding
    told = [sounding.scale, sounding.offset, sounding.threshold]
    assert told == pytest.approx(detector.sounding.tolist(), abs=1e-4)
    assert written.weights[:-1] == before.weights
    head = written.weights[-1]
    assert (head.licence, head.source) == ("CC-BY-4.0", "best.ckpt")
    assert written.training_data == ("detector: blocks that we made, CC0-1.0", "detector: our videos")
    assert written.files[:-1] == before.files
    assert (written.licence, written.events, written.grid) == (before.licence, before.events, before.grid)


def test_the_training_command_of_the_manifest_can_be_given_again(add, checkpoint):
    first, second = add().training_command.split(" && ")
    assert first == "none"
    command = shlex.split(second)
    assert command[:2] == ["earsight-train", "avdet"]
    assert set(command[2::2]) == {"--set"}
    assert read_settings(AvdetConfig, None, command[3::2]) == load_detector(checkpoint).config


def test_another_detector_takes_the_place_of_the_one_that_was_there(add, frames, tmp_path):
    written = add("tiny-detect")
    assert written.tasks == ("localize", "detect")
    assert [entry.role for entry in written.files] == ["visual", "audio", "localize", "detect"]
    bundle = load_bundle(tmp_path / "mine", ON_CPU)
    assert set(bundle.detector.labels) == {"red", "cyan"}
    again = add()  # over itself
    assert read_manifest(tmp_path / "mine") == again


def test_a_bundle_is_not_changed_in_its_place(add, tiny_bundles):
    before = (tiny_bundles / "tiny" / "manifest.json").read_bytes()
    with pytest.raises(ValueError, match="is the bundle itself: name another directory"):
        add(out=tiny_bundles / "tiny-detect" / ".." / "tiny")
    assert (tiny_bundles / "tiny" / "manifest.json").read_bytes() == before


@pytest.mark.parametrize(("widths", "told"), [({"token": 5}, "4 x 4 x 5"), ({"grid": 6}, "6 x 6 x 3")])
def test_a_detector_that_was_trained_behind_another_encoder_is_refused(
    add, random_detector, tmp_path, widths, told
):
    path = save_untrained(random_detector(**widths), tmp_path / "other.ckpt")
    with pytest.raises(
        CheckpointError, match=rf"other\.ckpt was trained on tokens of {told}, .*tiny gives 4 x 4 x 3"
    ):
        add(path=path)
    assert not (tmp_path / "mine").exists()


def test_what_is_no_detector_or_no_bundle_is_named(add, tmp_path):
    localiser = save_untrained(Cmc(CmcConfig(width=16), WIDTHS), tmp_path / "cmc.ckpt")
    with pytest.raises(CheckpointError, match=r"cmc\.ckpt holds cmc, not a detector"):
        add(path=localiser)
    (tmp_path / "text.ckpt").write_text("no checkpoint")
    with pytest.raises(CheckpointError, match=r"text\.ckpt is no checkpoint"):
        add(path=tmp_path / "text.ckpt")
    with pytest.raises(BundleError, match=r"no readable manifest\.json in .*nowhere"):
        add("nowhere")
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize("name", ["My Bundle", "Mine", "-mine", ""])
def test_a_name_that_no_bundle_can_have_is_refused_before_anything_is_written(add, tmp_path, name):
    with pytest.raises(ValueError, match="no name for a bundle"):
        add(description=Description(name))
    assert not (tmp_path / "mine").exists()


def test_damage_to_the_graph_is_noticed(add, tmp_path):
    add()
    manifest = json.loads((tmp_path / "mine" / "manifest.json").read_text())
    assert manifest["files"][-1]["path"] == "detect.onnx"
    with (tmp_path / "mine" / "detect.onnx").open("r+b") as handle:
        handle.seek(100)
        handle.write(b"\0\0\0\0")
    with pytest.raises(BundleError, match=r"detect\.onnx is damaged"):
        load_bundle(tmp_path / "mine", ON_CPU)
