"""The command with the tiny bundle: brightness is what it sees, loudness what it hears."""

from __future__ import annotations

import csv
import json
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import training.evaluate
from tests.training.made_up import Block
from training.data.readers.clips import Clips
from training.evaluation import models
from training.evaluation.benchmarks import Listing
from training.evaluation.cases import Role
from training.evaluation.gather import gather
from training.evaluation.models import as_localizer
from training.evaluation.outputs import BEGIN, END
from training.evaluation.probes import INAUDIBLE_RMS, load_probes
from training.evaluation.sheet import COLUMNS, GAP_PX, TILE_WIDTH

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


def write_table(directory, rows):
    with (directory / "clips.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(["file", "tier", "sounds", "boxes", "time_s"])
        writer.writerows(rows)


ROWS = [
    ("left.mp4", "official", "dog barking", "[[0, 0, 0.5, 1]]", 3.0),
    ("right.mp4", "estimated", "violin", "[[0.5, 0, 1, 1]]", 3.5),
    ("weak.mp4", "weak", "speech", "[[0.9, 0.9, 1, 1]]", 0.5),
]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    directory = tmp_path_factory.mktemp("data")
    write_clip(directory / "left.mp4", side="left", tone_hz=440)
    write_clip(directory / "right.mp4", side="right", tone_hz=880)
    (directory / "weak.mp4").symlink_to(directory / "left.mp4")
    write_table(directory, ROWS)
    return directory


@pytest.fixture
def made_up(monkeypatch):
    """Makes these examples a benchmark of composed scenes."""

    def use(*examples, remarks=()):
        monkeypatch.setattr(
            training.evaluate, "list_examples", lambda *_, **__: Listing(examples, fps=4.0, remarks=remarks)
        )

    return use


BLOCKS = (
    Block("first", (0, 0), labels=("dog",)),
    Block("second", (1, 2), labels=("violin",)),
    Block("third", (3, 3), labels=("speech",)),
)


def test_the_frame_nearest_the_time_is_taken_with_the_sound_around_it(data_dir, tiny_bundle):
    encoded = gather(Clips().read(data_dir).samples, tiny_bundle)
    assert [case.time_s for case in encoded.cases] == pytest.approx([3.0, 3.5, 0.5], abs=0.051)
    assert [case.role for case in encoded.cases] == [Role.SCORED, Role.SCORED, Role.UNJUDGED]
    columns = (0, 3, 0)
    lit = [
        float(255 * tokens[2, column, 0])
        for tokens, column in zip(encoded.pictures.tokens, columns, strict=True)
    ]
    assert lit == pytest.approx([200, 225, 75], abs=6)
    assert encoded.sounds.events[0, 0] > 0.9
    assert encoded.sounds.events[2, 0] < 0.1  # the tone starts 1.5 s later
    assert [case.kinds for case in encoded.cases] == [{"animal"}, {"music"}, {"human"}]


def test_probes_are_encoded_by_the_same_graphs(tiny_bundle):
    probes = load_probes(tiny_bundle)
    assert probes.silence.events.shape == (3, 4)
    assert probes.silence.events[:, 0].max() < 20 * INAUDIBLE_RMS
    assert list(probes.noises) == ["white", "pink", "brown"]
    pink = probes.noises["pink"].events[:, 0]
    assert pink.shape == (15,)
    assert pink[:5].max() < 0.2  # five seeds at -40 dB, at -20 dB, at -10 dB
    assert pink[10:].min() > 0.9
    frames = np.zeros((2, 32, 32, 3), np.uint8)
    frames[1, :, :16] = 255
    tokens, class_maps = probes.see(frames)
    assert (tokens[1, :, :2] == 1).all()
    assert tokens[0].max() == tokens[1, :, 2:].max() == 0
    assert len(class_maps) == 2


def test_the_development_clips_are_printed_and_written_everywhere(data_dir, evaluate, tmp_path, monkeypatch):
    page = tmp_path / "benchmarks.md"
    page.write_text(f"{BEGIN}\n{END}\n", encoding="utf-8")
    monkeypatch.setattr(training.evaluate, "DOCS", page)
    monkeypatch.setattr(training.evaluate, "CONFIGS", tmp_path)
    report_path = tmp_path / "report.json"
    options = ["--write-docs", "--write-metrics", "--per-clip", "--json", report_path]
    result = evaluate("clips", data_dir, *options)
    assert result.exit_code == 0, result.output
    assert "vision only" in result.output
    assert "mean truth of the others" in result.output
    assert "Goals" in result.output
    report = json.loads(report_path.read_text(encoding="utf-8"))
    assert report["report"]["n_scored"] == 2
    assert report["report"]["rows"][0]["everywhere"]["success"]["absolute"]["value"] == 100
    assert report["command"] == "earsight-train evaluate clips DIR --bundle tiny"
    assert "| ours |" in page.read_text(encoding="utf-8")
    assert str(data_dir) not in page.read_text(encoding="utf-8") + report_path.read_text(encoding="utf-8")
    assert json.loads((tmp_path / "tiny_metrics.json").read_text(encoding="utf-8"))


def test_the_folder_may_come_from_the_environment(data_dir, evaluate, monkeypatch):
    monkeypatch.setenv("EARSIGHT_DATA", str(data_dir))
    result = evaluate("clips", "--limit", 2)
    assert result.exit_code == 0, result.output
    assert "2 of 3 examples, drawn by a fixed seed" in result.output


def test_a_corrupt_clip_among_good_ones_is_named_and_left_out(data_dir, evaluate, tmp_path):
    for name in ("left.mp4", "right.mp4"):
        (tmp_path / name).symlink_to(data_dir / name)
    (tmp_path / "torn.mp4").write_bytes((data_dir / "left.mp4").read_bytes()[:1500])
    torn = ("torn.mp4", "official", "cat", "[[0, 0, 0.5, 1]]", 1.0)
    absent = ("absent.mp4", "official", "cat", "[[0, 0, 0.5, 1]]", 1.0)
    write_table(tmp_path, [ROWS[0], torn, absent, ROWS[1]])
    result = evaluate("clips", tmp_path, "--json", tmp_path / "report.json")
    assert result.exit_code == 0, result.output
    assert "1 of 3 examples could not be used" in result.output
    assert "torn.mp4" in result.output
    assert "1 of 4 listed examples are not there, for example absent.mp4" in result.output
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["report"]
    assert (report["n_cases"], report["n_scored"]) == (2, 2)
    assert [one["id"] for one in report["left_out"]] == ["torn"]
    assert report["rows"][0]["everywhere"]["success"]["absolute"]["value"] == 100


def test_the_sheet_is_written_with_a_tile_for_each_case_shown(evaluate, made_up, tmp_path):
    made_up(*BLOCKS)
    result = evaluate("composites", "--sheet", tmp_path / "sheet.jpg")
    assert result.exit_code == 0, result.output
    with Image.open(tmp_path / "sheet.jpg") as sheet:
        pixels = np.asarray(sheet.convert("L"))
    assert pixels.shape[1] == GAP_PX + COLUMNS * (TILE_WIDTH + GAP_PX)
    # Three scored cases are one in each section, at the left; the other places stay white.
    assert (pixels[:, GAP_PX : GAP_PX + TILE_WIDTH] < 128).mean() > 0.5
    assert pixels[:, GAP_PX + TILE_WIDTH + 4 :].min() > 240  # a JPEG's white


def test_scenes_and_negatives_make_tables_of_their_own(evaluate, made_up, tmp_path):
    pair = {"scene": "s", "group": "s"}
    made_up(
        *BLOCKS,
        Block("one", (0, 3), labels=("dog",), **pair),
        Block("other", (2, 0), labels=("violin",), **pair),
        Block("silent", (2, 2), labels=(), loud=False, sounding=False),
        remarks=("the hats were left out",),
    )
    result = evaluate("composites", "--json", tmp_path / "report.json")
    assert result.exit_code == 0, result.output
    assert "n = 5 in 4 groups" in result.output
    assert "protocol of SLAVC" in result.output
    assert "Pictures with several sources that sound in turn, n = 1" in result.output
    assert "note: the hats were left out" in result.output
    assert "Goals" not in result.output
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["report"]
    assert report["negatives"][0]["n"] == 1
    assert report["negatives"][0]["area"]["value"] == 0  # silence lights nothing
    assert report["negatives"][0]["extended"][0]["average_precision"]["value"] == 100
    assert report["scenes"]["iiou"]["value"] == 100
    assert report["cases"][5]["role"] == "negative"


class Corner(torch.nn.Module):
    """Always answers with the upper left cell, as loud as the second number of the embedding."""

    def __init__(self):
        super().__init__()
        self.value = torch.nn.Parameter(torch.ones(()))
        self.dropout = torch.nn.Dropout(0.5)

    def forward(self, tokens, embedding):
        heatmap = torch.zeros(tokens.shape[:3])
        heatmap[:, 0, 0] = self.dropout(self.value * embedding[:, 1])
        return heatmap, heatmap.amax((1, 2))


def test_a_checkpoint_is_measured_behind_the_encoders_of_the_bundle(evaluate, made_up, tmp_path, monkeypatch):
    made_up(*BLOCKS)
    monkeypatch.setattr(models, "_load_checkpoint", lambda _: Corner())
    checkpoint = tmp_path / "best.ckpt"
    checkpoint.write_bytes(b"weights")
    result = evaluate("composites", "--checkpoint", checkpoint, "--json", tmp_path / "report.json")
    assert result.exit_code == 0, result.output
    document = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert (document["checkpoint"], document["fitted_on"]) == ("best.ckpt", "")
    assert len(document["checkpoint_sha256"]) == 64
    assert [case["pointing"] for case in document["report"]["cases"]] == [True, False, False]
    assert document["report"]["cases"][1]["presence"] == 1
    assert str(tmp_path) not in document["command"]


def test_a_module_answers_in_evaluation_mode_without_gradients():
    answer = as_localizer(Corner())
    inputs = [np.ones(shape, np.float32) for shape in ((2, 4, 4, 3), (2, 2, 2, 3), (2, 5), (2, 2))]
    for _ in range(20):  # dropout would show
        heatmap, presence = answer(*inputs)
        assert (heatmap[:, 0, 0] == 1).all()
        assert presence.tolist() == [1, 1]
    assert heatmap.dtype == np.float32


def test_help_lists_the_benchmarks():
    result = CliRunner().invoke(training.evaluate.app, ["--help"], env={"COLUMNS": "160"})
    assert result.exit_code == 0
    listed = [line.split() for line in result.output.splitlines() if line.startswith("   ")]
    names = {words[0] for words in listed if words}
    assert {"clips", "vggss", "flickr", "is3", "composites"} <= names
    assert "ave" not in names  # it says what is heard, not where


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no-such-set"], "no benchmark 'no-such-set'"),
        (["is3", "--write-docs"], "on all of clips"),
        (["clips", "--write-metrics", "--limit", "3"], "on all of clips"),
        (["vggss", "--trivial"], "--annotations FILE"),
        (["clips", "--limit", "0"], "--limit"),
        (["clips", "--json", "no/such/folder/report.json"], "there is no folder no/such/folder"),
        (["clips", "--split", "exam"], "exam"),
    ],
)
def test_misuse_is_said_with_exit_code_2(evaluate, arguments, message):
    result = evaluate(*arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.output.replace("│", " ").split())


def test_what_is_wrong_is_said_in_one_line(evaluate, data_dir, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    for arguments, message in (
        (["clips", empty], "no clips.csv in it"),
        (["clips", tmp_path / "nowhere"], "there is no folder"),
        (["clips"], "read from a folder"),
        (["is3", empty], "Expected"),
        (["clips", data_dir, "--split", "train"], "nothing of the split 'train', only of test"),
        (["clips", data_dir, "--checkpoint", tmp_path / "none.ckpt"], "there is no checkpoint"),
        (["vggss", "--trivial", "--annotations", tmp_path / "none.json"], "none.json"),
    ):
        result = evaluate(*arguments)
        assert result.exit_code == 1, arguments
        assert message in result.output
        assert result.output.startswith("error ")
        assert result.output.count("\n") == 1
    result = CliRunner().invoke(training.evaluate.app, ["clips", str(data_dir), "--bundle", "no-such-bundle"])
    assert result.exit_code == 1
    assert "no-such-bundle" in result.output


def test_ctrl_c_is_answered_in_one_line(evaluate, made_up):
    class Interrupting(Block):
        def footage(self, **_):
            raise KeyboardInterrupt

    made_up(*BLOCKS, Interrupting("fourth"))
    result = evaluate("composites")
    assert result.exit_code == 130
    assert result.output.startswith("stopped before the end")
    assert result.output.count("\n") == 1
