import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from app import cli, progress_bars
from app.errors import LimitExceeded, MediaCorrupt
from app.inference.manifest import read_manifest
from tests.command_line import run_main


@pytest.fixture
def earsight(tiny_bundles, monkeypatch, capsys):
    """Runs the command line in this process; returns (exit code, standard output, standard error)."""
    monkeypatch.setenv("EARSIGHT_INFERENCE__BUNDLE", "tiny")
    monkeypatch.setenv("EARSIGHT_INFERENCE__BUNDLE_DIRS", json.dumps([str(tiny_bundles)]))
    monkeypatch.setenv("EARSIGHT_INFERENCE__THREADS", "1")
    monkeypatch.setattr(cli, "_log_to_stderr", lambda: None)

    def run(*arguments: object) -> tuple[int, str, str]:
        return run_main(cli.main, "earsight", *arguments, monkeypatch=monkeypatch, capsys=capsys)

    return run


def test_a_clip_becomes_numbers_heatmaps_and_an_overlay(earsight, sounding_square, tmp_path):
    code, out, err = earsight("analyze", sounding_square, "--out", tmp_path / "out")
    directory = tmp_path / "out" / "square"
    assert (code, err) == (0, "")
    assert sorted(path.name for path in directory.iterdir()) == ["heatmaps.npz", "overlay.mp4", "result.json"]
    assert str(directory / "overlay.mp4") in out
    assert "16 frames of 4.0 s" in out
    assert json.loads((directory / "result.json").read_text())["model"]["name"] == "tiny"
    with np.load(directory / "heatmaps.npz") as arrays:
        assert arrays["heatmap"].shape == (16, 4, 4)


def test_only_the_formats_that_were_asked_for_are_written(earsight, sounding_square, tmp_path):
    code, _, _ = earsight("analyze", sounding_square, "--out", tmp_path, "--format", "ndjson, npz")
    assert code == 0
    assert sorted(path.name for path in (tmp_path / "square").iterdir()) == ["heatmaps.npz", "result.ndjson"]


def test_the_rate_can_be_chosen(earsight, sounding_square, tmp_path):
    earsight("analyze", sounding_square, "--out", tmp_path, "--format", "npz", "--fps", 2)
    with np.load(tmp_path / "square" / "heatmaps.npz") as arrays:
        assert len(arrays["time_s"]) == 8


def test_a_bundle_that_detects_does_so_unless_told_otherwise(earsight, sounding_square, tmp_path):
    arguments = ("analyze", sounding_square, "--out", tmp_path, "--bundle", "tiny-detect", "--format", "json")
    code, out, _ = earsight(*arguments)
    frames = json.loads((tmp_path / "square" / "result.json").read_text())["frames"]
    assert code == 0
    assert "  found     2 objects, sounding: plain\n" in out
    assert all("detections" in frame for frame in frames)
    code, out, _ = earsight(*arguments, "--tasks", "localize")
    frames = json.loads((tmp_path / "square" / "result.json").read_text())["frames"]
    assert (code, "found" in out) == (0, False)
    assert not any("detections" in frame for frame in frames)


def test_objects_can_be_grouped_by_track(earsight, sounding_square, tmp_path):
    options = ("--bundle", "tiny-detect", "--tasks", "detect", "--format", "json", "--group-by", "track")
    code, _, _ = earsight("analyze", sounding_square, "--out", tmp_path, *options)
    document = json.loads((tmp_path / "square" / "result.json").read_text())
    assert code == 0
    assert [len(track["frames"]) for track in document["tracks"]] == [8, 8]
    assert not any("detections" in frame for frame in document["frames"])


def test_a_silent_clip_has_objects_of_which_none_sounds(earsight, silent_square, tmp_path):
    options = ("--bundle", "tiny-detect", "--format", "json")
    code, out, _ = earsight("analyze", silent_square, "--out", tmp_path, *options)
    assert code == 0
    assert "2 objects, sounding: none" in out


def test_a_bundle_that_explains_does_so_unless_told_otherwise(earsight, sounding_square, tmp_path):
    arguments = (
        "analyze",
        sounding_square,
        "--out",
        tmp_path,
        "--bundle",
        "tiny-explain",
        "--format",
        "json",
    )
    code, out, err = earsight(*arguments)
    first, second = json.loads((tmp_path / "square" / "result.json").read_text())["explanations"]
    assert (code, err) == (0, "")
    assert "  explained Tone (1.00) most at 0.8 s; Tone (1.00) most at 2.8 s\n" in out
    assert (first["event"]["label"], second["start_s"]) == ("Tone", 2.0)
    code, out, _ = earsight(*arguments, "--tasks", "localize")
    assert (code, "explained" in out) == (0, False)
    assert json.loads((tmp_path / "square" / "result.json").read_text())["explanations"] is None


def test_an_event_can_be_asked_for(earsight, sounding_square, tmp_path):
    options = ("--bundle", "tiny-explain", "--tasks", "explain", "--format", "json", "--target", "music")
    code, out, _ = earsight("analyze", sounding_square, "--out", tmp_path, *options)
    events = json.loads((tmp_path / "square" / "result.json").read_text())["explanations"]
    assert code == 0
    assert [entry["event"]["label"] for entry in events] == ["Music", "Music"]
    assert "explained Music (0.60)" in out


def test_a_silent_clip_has_nothing_to_explain(earsight, silent_square, tmp_path):
    options = ("--bundle", "tiny-explain", "--format", "json")
    code, out, _ = earsight("analyze", silent_square, "--out", tmp_path, *options)
    assert code == 0
    assert "  explained nothing for sure\n" in out
    assert "no_audio" in out
    assert json.loads((tmp_path / "silent" / "result.json").read_text())["explanations"] == []


def test_one_bad_input_is_reported_and_does_not_stop_the_others(earsight, sounding_square, tmp_path):
    (tmp_path / "bad.mp4").write_text("this is text")
    code, out, err = earsight(
        "analyze",
        tmp_path / "bad.mp4",
        tmp_path / "missing.mp4",
        sounding_square,
        "--out",
        tmp_path / "out",
        "--format",
        "json",
    )
    assert code == 1
    assert "bad.mp4: unsupported_media: " in err
    assert "missing.mp4: not_found: there is no file" in err
    assert "Traceback" not in err
    assert "1 of 3 inputs done" in out
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["square"]


def test_a_limit_is_named_with_its_value_and_its_setting(earsight, sounding_square, tmp_path, monkeypatch):
    monkeypatch.setenv("EARSIGHT_LIMITS__MAX_DURATION_S", "1")
    code, _, err = earsight("analyze", sounding_square, "--out", tmp_path)
    assert code == 1
    assert "limits_exceeded" in err
    assert "(limit 1.0, set by EARSIGHT_LIMITS__MAX_DURATION_S)" in err


def test_a_description_holds_only_what_is_known():
    assert cli.describe(MediaCorrupt("cut off")) == "media_corrupt: cut off"
    error = LimitExceeded("too long", limit=5, setting="EARSIGHT_X")
    assert cli.describe(error) == "limits_exceeded: too long (limit 5, set by EARSIGHT_X)"


def test_inputs_of_the_same_name_do_not_overwrite_each_other(earsight, sounding_square, tmp_path):
    copies = []
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        copies.append(Path(shutil.copy(sounding_square, tmp_path / place / "clip.mp4")))
    code, _, _ = earsight("analyze", *copies, "--out", tmp_path / "out", "--format", "json")
    assert code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["clip", "clip-2"]


def test_names_are_free_of_collisions_and_stay_inside_the_directory():
    paths = [Path(name) for name in ("a.mp4", "x/A.webm", "a-2.mp4", "....mp4", ".mp4", "x/a.mkv")]
    names = cli.names_for(paths)
    assert names == ["a", "A-2", "a-2-2", "clip", "mp4", "a-3"]
    assert len({name.casefold() for name in names}) == len(names)


def test_control_characters_of_a_file_name_do_not_reach_the_terminal():
    assert cli.shown(Path(os.fsdecode(b"a\x1b[31m\xffb.mp4"))) == "a?[31m?b.mp4"


def test_a_silent_clip_is_analysed_with_a_note(earsight, silent_square, tmp_path):
    code, out, _ = earsight("analyze", silent_square, "--out", tmp_path, "--format", "json")
    assert code == 0
    assert "no_audio" in out


def test_a_separate_sound_file_is_taken(earsight, silent_square, sounding_square, tmp_path):
    arguments = ("analyze", silent_square, "--out", tmp_path, "--format", "npz", "--audio", sounding_square)
    code, out, _ = earsight(*arguments)
    assert code == 0
    assert "no_audio" not in out
    with np.load(tmp_path / "silent" / "heatmaps.npz") as arrays:
        assert arrays["heatmap"].max() > 0.9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--format", "gif"), "gif is not among json"),
        (("--format", ","), "nothing is not among json"),
        (("--tasks", "dance"), "dance is not among localize"),
        (("--tasks", "detect"), "the bundle tiny offers localize"),
        (("--tasks", "explain"), "the bundle tiny offers localize"),
        (("--target", "Tone"), "a target needs the task explain"),
        (("--bundle", "tiny-explain", "--target", "Tune"), "there is no event 'Tune'; near it: Tone, "),
        (("--group-by", "nonsense"), "nonsense"),
        (("--format", "coco"), "the format coco needs the task detect"),
        (("--fps", "0"), "fps must be at least 0.001"),
        (("--bundle", "../tiny"), "there is no bundle"),
        (("--device", "abacus"), "abacus"),
        (("--unknown",), "No such option"),
    ],
)
def test_wrong_use_is_exit_code_2(earsight, sounding_square, tmp_path, arguments, message):
    code, _, err = earsight("analyze", sounding_square, "--out", tmp_path / "out", *arguments)
    assert code == 2
    assert message in err
    assert "Traceback" not in err


def test_one_sound_file_for_many_inputs_is_wrong_use(earsight, sounding_square, tmp_path):
    code, _, err = earsight(
        "analyze", sounding_square, sounding_square, "--out", tmp_path, "--audio", sounding_square
    )
    assert code == 2
    assert "takes one INPUT only" in err


def test_a_setting_out_of_bounds_is_exit_code_2(earsight, sounding_square, tmp_path, monkeypatch):
    monkeypatch.setenv("EARSIGHT_INFERENCE__BATCH_FRAMES", "0")
    code, _, err = earsight("analyze", sounding_square, "--out", tmp_path)
    assert code == 2
    assert "a setting is wrong" in err
    assert "batch_frames" in err


def test_a_place_that_cannot_be_written_is_reported(earsight, sounding_square, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "square").write_text("in the way")
    code, _, err = earsight("analyze", sounding_square, "--out", tmp_path / "out", "--format", "json")
    assert code == 1
    assert "File exists" in err
    assert "Traceback" not in err


def test_the_output_directory_may_not_be_a_file(earsight, sounding_square, tmp_path):
    (tmp_path / "out").write_text("in the way")
    code, _, err = earsight("analyze", sounding_square, "--out", tmp_path / "out")
    assert code == 2
    assert "out" in err
    assert "Traceback" not in err


def test_the_table_of_models_marks_the_default(earsight):
    code, out, _ = earsight("models")
    row = next(line for line in out.splitlines() if "tiny" in line)
    assert code == 0
    assert "tiny (default)" in row
    assert "localize fp32" in out


def test_the_size_of_a_bundle_leaves_out_what_it_shares(tiny_bundles):
    files = read_manifest(tiny_bundles / "tiny-small").files
    sized = [
        file.model_copy(update={"size_bytes": mb * 10**6}) for file, mb in zip(files, (25, 8, 4), strict=True)
    ]
    assert cli._sizes(sized) == "25.0 MB\n12.0 MB of tiny"
    assert cli._sizes(sized[:1]) == "25.0 MB"


def test_a_bundle_that_shares_graphs_analyses(earsight, sounding_square, tmp_path):
    code, _, err = earsight(
        "analyze", sounding_square, "--bundle", "tiny-small", "--format", "json", "--out", tmp_path
    )
    assert (code, err) == (0, "")
    assert json.loads((tmp_path / "square" / "result.json").read_text())["model"]["name"] == "tiny-small"


def test_a_broken_bundle_is_listed_as_such(earsight, tmp_path, monkeypatch):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "manifest.json").write_text("{}")
    monkeypatch.setenv("EARSIGHT_INFERENCE__BUNDLE_DIRS", json.dumps([str(tmp_path)]))
    code, out, _ = earsight("models")
    assert code == 0
    assert "cannot be used" in out


def test_the_version_is_told(earsight):
    code, out, _ = earsight("--version")
    assert code == 0
    assert out.strip()


def test_serve_passes_its_options_on(earsight, monkeypatch):
    served = []
    monkeypatch.setattr("app.cli.start", served.append)
    assert earsight("serve", "--host", "0.0.0.0", "--port", "0", "--device", "cpu")[0] == 0
    (settings,) = served
    assert (settings.server.host, settings.server.port, settings.inference.device) == ("0.0.0.0", 0, "cpu")


def test_help_does_not_wait_for_the_runtime_or_the_web_framework():
    script = (
        "import sys; sys.argv = ['earsight', '--help']\n"
        "from app import cli\n"
        "try: cli.main()\n"
        "except SystemExit: pass\n"
        "print(sorted({'onnxruntime', 'fastapi', 'uvicorn', 'app.bench.run'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "[]"


def test_a_pipe_gets_no_progress_bar(tiny_bundles, sounding_square, tmp_path):
    environment = os.environ | {
        "EARSIGHT_INFERENCE__BUNDLE": "tiny",
        "EARSIGHT_INFERENCE__BUNDLE_DIRS": json.dumps([str(tiny_bundles)]),
    }
    command = [sys.executable, "-m", "app.cli", "analyze", sounding_square, "--out", tmp_path]
    ran = subprocess.run(
        [*command, "--format", "json"], env=environment, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "\x1b" not in ran.stdout


def test_the_rate_on_the_terminal_counts_from_the_start_of_the_stage(monkeypatch):
    now_s = 100.0
    monkeypatch.setattr(progress_bars.time, "monotonic", lambda: now_s)
    progress = progress_bars.Progress(disable=True)
    bars = progress_bars.Bars(progress, "clip.mp4")
    now_s = 102.0
    bars.analyzed(progress_bars.Analyzed(frames_done=8, time_s=1.0, duration_s=2.0))
    now_s = 103.0
    bars.drawn(20, 0.5)
    analysing, drawing = progress.tasks
    assert (analysing.fields["rate"], analysing.percentage) == ("4.0 frames/s", 100)
    assert (drawing.fields["rate"], drawing.percentage) == ("20.0 frames/s", 50)
