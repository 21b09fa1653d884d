"""The commands on real clips, with the tiny bundle: brightness is what it sees, loudness what it hears."""

from __future__ import annotations

import csv
import json
from fractions import Fraction

import av
import numpy as np
import pytest
from typer.testing import CliRunner

import training.evaluate
from training.evaluation.clips import load_clip_features, read_entries
from training.evaluation.outputs import BEGIN, END
from training.evaluation.probes import INAUDIBLE_RMS, choose_pairs, load_probes, side_by_side

SIDE, FPS, SECONDS = 64, 10, 4


def write_clip(path, *, side, tone_hz):
    """A white left or right half whose brightness grows with time; a tone in the second half of the clip."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=FPS)
        video.width = video.height = SIDE
        video.pix_fmt = "yuv420p"
        sound = container.add_stream("aac", rate=16_000)
        for index in range(FPS * SECONDS):
            image = np.zeros((SIDE, SIDE, 3), np.uint8)
            columns = slice(0, SIDE // 2) if side == "left" else slice(SIDE // 2, SIDE)
            image[:, columns] = 50 + 5 * index
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        times_s = np.arange(16_000 * SECONDS) / 16_000
        samples = 0.8 * np.sin(2 * np.pi * tone_hz * times_s) * (times_s >= SECONDS / 2)
        block = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), format="fltp", layout="mono")
        block.sample_rate, block.pts, block.time_base = 16_000, 0, Fraction(1, 16_000)
        container.mux(sound.encode(block))
        container.mux(sound.encode(None))


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    directory = tmp_path_factory.mktemp("data")
    rows = [
        ("left.mp4", "official", "dog barking", "[[0, 0, 0.5, 1]]", 3.0),
        ("right.mp4", "estimated", "violin", "[[0.5, 0, 1, 1]]", 3.5),
        ("left.mp4", "weak", "speech", "[[0.9, 0.9, 1, 1]]", 0.5),
    ]
    write_clip(directory / "left.mp4", side="left", tone_hz=440)
    write_clip(directory / "right.mp4", side="right", tone_hz=880)
    with (directory / "clips.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(["file", "tier", "sounds", "boxes", "time_s"])
        writer.writerows(rows)
    return directory


@pytest.fixture(scope="module")
def features(data_dir, tiny_bundle):
    return load_clip_features(data_dir, tiny_bundle)


def test_the_frame_nearest_the_time_is_taken_with_the_sound_around_it(features):
    assert [clip.time_s for clip in features] == pytest.approx([3.0, 3.5, 0.5], abs=0.051)
    lit = [float(255 * clip.tokens[2, 0 if "left" in clip.file else 3, 0]) for clip in features]
    assert lit == pytest.approx([200, 225, 75], abs=6)
    assert features[0].events[0] > 0.9
    assert features[2].events[0] < 0.1  # the tone starts 1.5 s later
    assert features[0].frame.shape == (32, 32, 3)
    assert len(features[0].waveform) == pytest.approx(16_000 * SECONDS, abs=3000)
    assert [clip.kinds for clip in features] == [{"animal"}, {"music"}, {"human"}]


def test_probes_are_encoded_by_the_same_graphs(features, tiny_bundle):
    probes = load_probes(tiny_bundle, features)
    assert probes.silence.shape == (3, 4)
    assert probes.silence[:, 0].max() < 20 * INAUDIBLE_RMS
    assert list(probes.noises) == ["white", "pink", "brown"]
    pink = probes.noises["pink"][:, 0]
    assert pink.shape == (15,)
    assert pink[:5].max() < 0.2  # five seeds at -40 dB, at -20 dB, at -10 dB
    assert pink[10:].min() > 0.9
    assert len(probes.flipped) == 3
    np.testing.assert_allclose(probes.flipped[0][0], features[0].tokens[:, ::-1], atol=1e-6)
    assert {(pair.left, pair.right) for pair in probes.pairs} == {(0, 1), (1, 0)}
    # A white left half on the left and a white right half on the right: the outer quarters are lit.
    assert (probes.pairs[0].tokens[2, :, 0] > 0.4).tolist() == [True, False, False, True]


def test_pairs_are_of_scored_clips_of_different_kinds(make_features):
    clips = [
        make_features("human", (0, 0)),
        make_features("human", (5, 5)),
        make_features("animal", (0, 0), tier="weak"),
    ]
    assert choose_pairs(clips) == []


def test_side_by_side_keeps_the_size():
    frame = side_by_side(np.full((9, 9, 3), 10, np.uint8), np.full((9, 9, 3), 200, np.uint8))
    assert frame.shape == (9, 9, 3)
    assert frame[:, :4].max() == 10
    assert frame[:, 4:].min() == 200


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.mp4,official,dog,[],1.0", "no box"),
        ("a.mp4,official,dog,[[0,0,1],1.0", "a.mp4"),
        ("a.mp4,weak,dog,,soon", "a.mp4"),
    ],
)
def test_a_bad_row_is_named(tmp_path, row, message):
    (tmp_path / "clips.csv").write_text(f"file,tier,sounds,boxes,time_s\n{row}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        read_entries(tmp_path)


def test_the_command_prints_and_writes_everything(data_dir, tiny_bundles, tmp_path, monkeypatch):
    page = tmp_path / "benchmarks.md"
    page.write_text(f"{BEGIN}\n{END}\n", encoding="utf-8")
    monkeypatch.setattr(training.evaluate, "DOCS", page)
    monkeypatch.setattr(training.evaluate, "CONFIGS", tmp_path)
    monkeypatch.setenv("EARSIGHT_INFERENCE__BUNDLE_DIRS", json.dumps([str(tiny_bundles)]))
    monkeypatch.setenv("EARSIGHT_INFERENCE__DEVICE", "cpu")
    options = ["--write-docs", "--write-metrics", "--per-clip", "--json", str(tmp_path / "report.json")]
    result = CliRunner().invoke(
        training.evaluate.app, ["clips", "--data", str(data_dir), "--bundle", "tiny", *options]
    )
    assert result.exit_code == 0, result.output
    assert "vision only" in result.output
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["report"]["n_scored"] == 2
    assert report["report"]["rows"][0]["everywhere"]["success"]["absolute"]["value"] == 100
    assert "| ours |" in page.read_text(encoding="utf-8")
    assert str(data_dir) not in page.read_text(encoding="utf-8")
    assert json.loads((tmp_path / "tiny_metrics.json").read_text(encoding="utf-8"))


def test_what_is_wrong_is_said_in_one_line(tmp_path):
    result = CliRunner().invoke(training.evaluate.app, ["annotations", "--data", str(tmp_path)])
    assert result.exit_code == 1
    assert "none of the annotation files" in result.output
    result = CliRunner().invoke(
        training.evaluate.app, ["clips", "--data", str(tmp_path), "--bundle", "no-such-bundle"]
    )
    assert result.exit_code == 1
    assert "no-such-bundle" in result.output
