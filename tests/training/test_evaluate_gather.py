"""Examples to cases, with the tiny bundle: brightness is what it sees, loudness what it hears."""

import errno
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from tests.tiny_bundle import SIZE
from tests.training.made_up import SECONDS, Block, MadeCase, encode
from training.data.examples import Footage
from training.evaluation import gather as gather_module
from training.evaluation.cases import Role, choose_moment, groups_of
from training.evaluation.gather import gather
from training.evaluation.shelf import NoRoom, Shelf
from training.metrics.masks import SIDE

FPS = 4.0


def moment_of(block, *, wanted_s=None, fps=FPS):
    return choose_moment(block.footage(size=SIZE, fps=fps), sounding=block.sounding, wanted_s=wanted_s)


def taken(moment):
    """Which frame was taken: its last pixel counts them."""
    return int(moment.frame[-1, -1, 0])


def test_the_marked_frame_nearest_the_middle_is_taken():
    # Eight frames at 0, .25, ..., 1.75 s; the middle is .875 s; marked from 1.5 s on.
    moment = moment_of(Block("a", marked=(0.75, 1)))
    assert (moment.role, moment.time_s, taken(moment)) == (Role.SCORED, 1.5, 6)
    assert moment.truth.mean() == 1 / 16
    assert moment_of(Block("a")).time_s == 0.75  # the first of two that are equally near


def test_a_frame_whose_truth_is_unknown_is_not_taken():
    assert moment_of(Block("a", judged=(0.75, 1))).time_s == 1.5


def test_where_nothing_in_sight_sounds_the_middle_is_taken():
    moment = moment_of(Block("a", sounding=False))
    assert (moment.role, moment.time_s, moment.truth.any()) == (Role.NEGATIVE, 0.75, False)


def test_without_truth_the_moment_that_the_example_names_is_taken():
    unjudged = Block("a", judged=(0, 0))
    assert moment_of(unjudged, wanted_s=1.6).time_s == 1.5
    assert (moment_of(unjudged).role, moment_of(unjudged).time_s) == (Role.UNJUDGED, 0.75)


def test_a_source_without_a_pixel_is_an_error():
    with pytest.raises(ValueError, match="covers no pixel"):
        moment_of(Block("a", marked=(0, 0)))


def test_no_frame_is_an_error():
    nothing = np.zeros(0)
    empty = Footage(
        np.zeros((0, 8, 8, 3), np.uint8),
        nothing,
        np.zeros(0, np.float32),
        0.0,
        np.zeros((0, SIDE, SIDE), np.float32),
        nothing.astype(bool),
    )
    with pytest.raises(ValueError, match="no frame"):
        choose_moment(empty, sounding=True, wanted_s=None)


def test_examples_are_encoded_once_in_their_order(tiny_bundle):
    blocks = [Block("a", (0, 1), labels=("dog", "cat")), Block("b", (2, 3), loud=False), Block("c", (3, 0))]
    encoded = gather(blocks, tiny_bundle, fps=FPS)
    assert [case.facts.id for case in encoded.cases] == ["a", "b", "c"]
    assert [case.label for case in encoded.cases] == ["dog, cat", "dog", "dog"]
    assert encoded.cases[0].kinds == {"animal"}
    assert [block.asked for block in blocks] == [[(SIZE, FPS)]] * 3
    for block, tokens in zip(blocks, encoded.pictures.tokens, strict=True):
        assert np.unravel_index(tokens[..., 1].argmax(), (4, 4)) == block.cell
        assert tokens.max() == 1
    assert encoded.pictures.frames.shape == (3, SIZE, SIZE, 3)
    assert encoded.pictures.truth(1).mean() == 1 / 16
    assert encoded.sounds.events[:, 0] == pytest.approx([1, 0, 1], abs=0.01)
    assert encoded.sounds.embedding.shape == (3, 2)


def test_a_bad_example_is_named_and_left_out(tiny_bundle):
    blocks = [Block("good"), Block("bad", broken=True), Block("empty", marked=(0, 0)), Block("last", (1, 1))]
    steps = []
    encoded = gather(blocks, tiny_bundle, fps=FPS, watch=lambda *step: steps.append(step))
    assert [case.facts.id for case in encoded.cases] == ["good", "last"]
    assert len(encoded.pictures.tokens) == len(encoded.sounds) == 2
    left_out = {one.id: one.reason for one in encoded.left_out}
    assert "bad.mp4" in left_out["bad"]
    assert "no pixel" in left_out["empty"]
    assert [step[1:] for step in steps] == [(1, 4, "good"), (2, 4, "bad"), (3, 4, "empty"), (4, 4, "last")]


def test_nothing_but_bad_examples_is_an_error_that_names_one(tiny_bundle):
    with pytest.raises(ValueError, match=r"none of 2 examples.*bad: bad\.mp4"):
        gather([Block("bad", broken=True), Block("worse", broken=True)], tiny_bundle, fps=FPS)


def test_examples_are_decoded_only_a_few_ahead(tiny_bundle):
    begun, lead = [], []

    class Counted(Block):
        def footage(self, *, size, fps):
            begun.append(self.id)
            return super().footage(size=size, fps=fps)

    def watch(stage, done, total, name):
        time.sleep(0.02)  # encoding is slower than decoding
        lead.append(len(begun) - done)

    gather([Counted(str(k)) for k in range(20)], tiny_bundle, fps=FPS, watch=watch)
    assert len(begun) == 20
    assert max(lead) <= gather_module._AHEAD + 1


def test_an_interruption_leaves_no_file_and_no_thread(tiny_bundle, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen = []

    def interrupted(stage, done, total, name):
        seen.extend(tmp_path.iterdir())
        if done == 3:
            raise KeyboardInterrupt

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        gather([Block(str(k)) for k in range(9)], tiny_bundle, fps=FPS, watch=interrupted)
    assert threading.active_count() == before
    assert [*seen, *tmp_path.iterdir()] == []  # not even while it was at work


def test_a_process_that_is_killed_leaves_no_file(tiny_bundles, tmp_path):
    program = f"""
import os, signal
from pathlib import Path
from app.inference.bundle import load_bundle
from app.settings import InferenceSettings
from tests.training.made_up import Block
from training.evaluation.gather import gather

bundle = load_bundle(Path({str(tiny_bundles / "tiny")!r}), InferenceSettings(device="cpu", threads=1))
kill = lambda stage, done, total, name: done == 3 and os.kill(os.getpid(), signal.SIGKILL)
gather([Block(str(k)) for k in range(9)], bundle, fps=4.0, watch=kill)
"""
    command = [sys.executable, "-W", "ignore", "-c", program]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    ended = subprocess.run(command, env=environment, cwd=Path(__file__).parents[2], capture_output=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    # ONNX Runtime puts a file of its own there, which bears its session's name.
    assert {path.name for path in tmp_path.iterdir()} <= {".ses"}


def test_a_full_disk_is_said_before_the_work_begins(monkeypatch):
    def full(descriptor, offset, size_bytes):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(NoRoom, match=r"no room for 0\.3 GB.*TMPDIR.*--limit"):
        Shelf(1000).add(
            np.zeros((300, 300, 3), np.uint8),
            np.zeros((4, 4, 3)),
            np.zeros((2, 2, 3)),
            np.zeros((SIDE, SIDE)),
        )


def test_the_shelf_keeps_half_precision_on_disk():
    shelf = Shelf(3)
    for value in (0.25, 0.3):
        shelf.add(
            np.full((2, 2, 3), 7, np.uint8),
            np.full((1, 1, 3), value),
            np.full((1, 1, 2), value),
            np.full((SIDE, SIDE), 0.5),
        )
    pictures = shelf.pictures()
    assert isinstance(pictures.tokens, np.memmap)
    assert len(pictures.tokens) == len(pictures.truths) == 2
    tokens, class_map = pictures.encoded(1)
    assert tokens.dtype == class_map.dtype == np.float32
    assert tokens[0, 0] == pytest.approx([0.3] * 3, rel=1e-3)
    assert (pictures.truth(0) == 0.5).all()


def test_cases_that_share_a_group_or_a_scene_depend_on_each_other():
    cases = encode(
        [
            MadeCase("human", (0, 0), facts={"group": "one"}),
            MadeCase("human", (1, 1), facts={"scene": "s"}),
            MadeCase("human", (2, 2), facts={"group": "one", "scene": "s"}),  # joins the two
            MadeCase("human", (3, 3), facts={"group": "s"}),  # a group of that name is no scene
            MadeCase("human", (4, 4)),
            MadeCase("human", (5, 5)),
        ]
    ).cases
    groups = groups_of(cases)
    assert len({*groups[:3]}) == 1
    assert len({*groups}) == 4


def test_the_sound_is_that_around_the_frame(tiny_bundle):
    class Late(Block):
        def footage(self, *, size, fps):
            footage = super().footage(size=size, fps=fps)
            footage.waveform[: len(footage.waveform) // 2] = 0
            return footage

    early, late = Late("a", marked=(0, 0.3)), Late("b", marked=(0.8, 1))
    encoded = gather([early, late], tiny_bundle, fps=FPS)
    assert encoded.cases[0].time_s < SECONDS / 2 < encoded.cases[1].time_s
    assert encoded.sounds.events[:, 0] == pytest.approx([0, 1], abs=0.01)
