import dataclasses
from typing import NamedTuple

import numpy as np
import pytest
import torch

from tests.training.methods.made_scenes import WIDTHS, save_untrained
from tests.training.methods.simkd.made_students import (
    SHAPES,
    SMALL,
    made,
    random_backbone,
    random_student,
    three_classes,
    write_pictures,
)
from training.cache.index import CacheError
from training.encoders.efficientnet_lite import EfficientNetLite
from training.loop.checkpoint import CheckpointError, read_checkpoint
from training.loop.errors import LoopError
from training.loop.fitting import Fitted, RunOptions
from training.methods.cmc.config import CmcConfig
from training.methods.cmc.module import Cmc
from training.methods.simkd import running
from training.methods.simkd.config import SimkdConfig
from training.methods.simkd.loading import load_student
from training.methods.simkd.running import Request, train, trunk_runner

FRAMES = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)


class Trained(NamedTuple):
    fitted: Fitted
    said: list[str]
    exported: np.ndarray  # what the exported frozen blocks make of FRAMES
    wanted: np.ndarray  # the same in PyTorch


@pytest.fixture(scope="module")
def trained(pictures, tmp_path_factory):
    """A student that was trained for four epochs behind five frozen blocks, which were exported."""
    said, outputs = [], []

    def export(student, side):
        run = trunk_runner(student, side)
        with torch.inference_mode():
            outputs.extend((run(FRAMES), student.trunk(torch.from_numpy(FRAMES)).numpy()))
        return run

    options = RunOptions(tmp_path_factory.mktemp("runs") / "run", 4, devices=1, accelerator="cpu")
    request = Request(SimkdConfig(**SMALL, epochs=4, frozen=5), (pictures,), options)
    with three_classes(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "load_efficientnet_lite", random_backbone)
        patch.setattr(running, "trunk_runner", export)
        return Trained(train(request, say=said.append), said, *outputs)


def state_of(path):
    return read_checkpoint(path).state


def same(one, other):
    return all(torch.equal(value, other[name]) for name, value in one.items())


def test_a_student_comes_nearer_to_its_teacher(trained, request_of):
    fitted = trained.fitted
    assert trained.said[0] == "12 frames to learn from, views included; 4 to validate by"
    assert (fitted.outcome, fitted.epochs, fitted.steps) == ("finished", 4, 16)  # 3 in a batch
    idle = train(request_of(backbone_rate=1e-9, rate=1e-9, frozen=5), say=str)
    assert idle.score + 0.1 < fitted.score < 0


def test_a_student_goes_on_from_where_another_ended(trained, request_of):
    still = request_of(backbone_rate=1e-9, rate=1e-9, frozen=5)
    again = train(dataclasses.replace(still, start=trained.fitted.best), say=str)
    assert again.score == pytest.approx(trained.fitted.score, abs=0.02)  # the norms learn on
    with pytest.raises(CheckpointError, match=r"best\.ckpt has 5 frozen blocks, not 8"):
        train(dataclasses.replace(request_of(), start=trained.fitted.best), say=str)
    narrow = request_of(frozen=5, reduction=1)
    with pytest.raises(CheckpointError, match=r"best\.ckpt holds a student of other layers"):
        train(dataclasses.replace(narrow, start=trained.fitted.best), say=str)


def test_the_checkpoint_holds_the_student(trained):
    student, own = load_student(trained.fitted.best)
    assert own is None
    assert (student.shapes, student.frozen, student.training) == (SHAPES, 5, False)
    tokens, class_map = student(torch.from_numpy(FRAMES))
    assert tokens.shape == (3, 4, 4, 3)
    torch.testing.assert_close(class_map.sum(3), torch.ones(3, 2, 2))


def test_frozen_blocks_and_statistics_stay_and_all_else_changes(trained):
    state = state_of(trained.fitted.last)
    before = {f"student.backbone.{name}": part for name, part in random_backbone().state_dict().items()}
    fixed = ["student.backbone.conv_stem.", "student.backbone.bn0."]
    fixed += [f"student.backbone.blocks.{number}." for number in range(5)]
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    assert {name for name in before if torch.equal(before[name], state[name])} == {
        name for name in before if name.startswith(tuple(fixed)) or name.endswith(statistics)
    }
    added = {name for name in state if name not in before}
    assert all(name.startswith("student.projector.") for name in added)
    untrained = {f"student.{name}": part for name, part in random_student().state_dict().items()}
    assert not [name for name in added if torch.equal(untrained[name], state[name])]


def test_the_frozen_blocks_run_apart_as_they_do_in_the_student(trained):
    np.testing.assert_allclose(trained.exported, trained.wanted, atol=1e-3)
    assert trained.wanted.std() > 0.1


def test_a_run_that_was_broken_off_ends_as_one_without_a_break(request_of):
    straight = train(request_of(out="straight", epochs=2), say=str)
    broken = train(request_of(out="broken", epochs=2, minutes=0.0), say=str)
    assert (broken.outcome, broken.steps) == ("out of time", 1)
    resumed = train(request_of(out="broken", epochs=2, resume=True), say=str)
    assert dataclasses.replace(resumed, last=straight.last, best=straight.best) == straight
    assert same(state_of(straight.last), state_of(resumed.last))
    assert same(state_of(straight.best), state_of(resumed.best))
    with pytest.raises(LoopError, match="add --resume"):
        train(request_of(out="broken", epochs=2), say=str)


def test_what_does_not_serve_is_refused_before_anything_is_trained(
    request_of, tiny_bundle, tmp_path, monkeypatch
):
    def cache(name, *examples, **recipe):
        return write_pictures(tmp_path / name, tiny_bundle, examples, **recipe)

    both = made("a"), made("b", "val")
    heads = r"a localiser of 16 x 16 tokens of 384 and 521 events .* holds 4 x 4 tokens of 3 and 4 events"
    for request, message in (
        (request_of(cache=cache("frames", *both, raw=False)), "holds no frames: make it anew"),
        (request_of(cache=cache("maps", *both, class_map=False)), "class_map"),
        (request_of(cache=cache("val", made("a"))), "hold no validation examples"),
        (request_of(objective="alone"), heads),
        (request_of(objective="logits"), heads),
        (request_of(heat_weight=0.1), heads),
    ):
        with pytest.raises(CacheError, match=message):
            train(request, say=str)
    monkeypatch.undo()  # a student of 1000 classes
    monkeypatch.setattr(running, "load_efficientnet_lite", EfficientNetLite)
    with monkeypatch.context() as patch:
        patch.setattr("training.encoders.efficientnet_lite.N_CLASSES", 1000)
        with pytest.raises(CacheError, match="tell 3 classes, those of a student 1000: make the cache with"):
            train(request_of(), say=str)
    assert not (tmp_path / "run").exists()


def test_no_other_checkpoint_is_taken_for_a_student(request_of, tmp_path):
    localiser = save_untrained(Cmc(CmcConfig(width=16), WIDTHS), tmp_path / "cmc.ckpt")
    with pytest.raises(CheckpointError, match=r"cmc\.ckpt holds cmc, not a student"):
        load_student(localiser)
    module = running.Simkd(request_of().config, random_student())
    content = torch.load(save_untrained(module, tmp_path / "old.ckpt"), weights_only=True)
    del content["state_dict"]["student.projector.0.weight"]
    torch.save(content, tmp_path / "old.ckpt")
    with pytest.raises(CheckpointError, match=r"old\.ckpt does not fit simkd as it is here"):
        load_student(tmp_path / "old.ckpt")
