"""`earsight-train cache` on real clips, with the tiny bundle."""

import json
import os
import pty
import re
import shutil
import subprocess
import sys
from types import ModuleType

import pytest
from typer.testing import CliRunner

from training.cache.cli import app
from training.cache.index import read_index
from training.cache.places import Place
from training.cache.reading import open_cache
from training.data.composites import Options


@pytest.fixture
def videos(tmp_path, sounding_square, silent_square):
    """A folder for the reader `videos`: a good clip, one without sound, and one that is no clip."""
    folder = tmp_path / "videos"
    folder.mkdir()
    shutil.copy(sounding_square, folder / "good.mp4")
    shutil.copy(silent_square, folder / "mute.mp4")
    (folder / "broken.mp4").write_bytes(b"no video at all" * 100)
    return folder


@pytest.fixture
def tiny_only(monkeypatch, tiny_bundles):
    monkeypatch.setenv("EARSIGHT_INFERENCE__BUNDLE_DIRS", json.dumps([str(tiny_bundles)]))
    monkeypatch.setenv("EARSIGHT_INFERENCE__DEVICE", "cpu")


@pytest.fixture
def run(tiny_only):
    return lambda *arguments: CliRunner().invoke(app, [*map(str, arguments)])


def test_a_folder_of_videos_becomes_a_cache(run, videos, tmp_path):
    out = tmp_path / "cache"
    result = run("videos", videos, "--out", out, "--bundle", "tiny", "--views", 1, "--max-frames", 4)
    assert result.exit_code == 0, result.output
    assert f"{out}: 2 examples encoded; " in result.output
    assert "1 left out; a rerun tries them again:\n  broken: " in result.output
    assert "\x1b" not in result.output  # no progress bar in a pipe
    cache = open_cache(out)
    assert [facts.id for facts in cache.examples] == ["good", "mute"]
    good, mute = cache.arrays(0), cache.arrays(1)
    assert good["tokens"].shape == (2, 4, 4, 4, 3)
    # The square stands in the cell (1, 2) during the first two seconds, in (2, 0) after that.
    assert good["tokens"][0, 0].mean(-1).argmax() == 4 * 1 + 2
    assert good["tokens"][0, -1].mean(-1).argmax() == 4 * 2 + 0
    assert not mute["has_sound"].any()
    key = read_index(Place(out)).key
    assert key.source == {"reader": "videos", "root": str(videos), "split": "all"}
    again = run("videos", videos, "--out", out, "--bundle", "tiny", "--views", 1, "--max-frames", 4)
    assert "0 examples encoded, 2 were there already" in again.output
    other = run("videos", videos, "--out", out, "--bundle", "tiny", "--views", 2, "--max-frames", 4)
    assert other.exit_code == 1
    assert "views: 1 there, 2 here" in other.output
    assert "--force" in other.output


def test_limit_and_split(run, videos, tmp_path):
    (videos / "broken.mp4").unlink()
    options = ("--bundle", "tiny", "--views", 0, "--max-frames", 1)
    assert run("videos", videos, "--out", tmp_path / "one", "--limit", 1, *options).exit_code == 0
    assert len(open_cache(tmp_path / "one")) == 1
    assert run("videos", videos, "--out", tmp_path / "val", "--split", "val", *options).exit_code == 0
    assert {facts.split for facts in open_cache(tmp_path / "val").examples} == {"val"}
    result = run("videos", videos, "--out", tmp_path / "test", "--split", "test", *options)
    assert result.exit_code == 1
    assert f"{videos} has no example of the split test" in result.output


def test_nothing_that_can_be_encoded_is_a_failure(run, videos, tmp_path):
    (videos / "good.mp4").unlink()
    (videos / "mute.mp4").unlink()
    result = run("videos", videos, "--out", tmp_path / "cache", "--bundle", "tiny")
    assert result.exit_code == 1
    assert "nothing could be encoded" in result.output


@pytest.fixture
def composed(example, monkeypatch):
    """Lets made-up examples take the place of composed scenes; gives the lengths that were asked for."""
    lengths_s = []

    def composites(split, n, *, seed, options):
        lengths_s.append(options.duration_s)
        return [example(f"scene-{seed}-{number}", split=split, judged=(0, 1, 2, 3)) for number in range(n)]

    stand_in = ModuleType("training.data.composites")
    stand_in.composites, stand_in.Options = composites, Options
    monkeypatch.setitem(sys.modules, "training.data.composites", stand_in)
    return lengths_s


def test_composites_need_no_folder(run, composed, tmp_path):
    options = ("--bundle", "tiny", "--views", 1, "--fields", "class_map, raw", "--seed", 7, "--split", "val")
    for number in (2, 3):
        result = run("composites", "--out", tmp_path / "cache", "--n", number, *options)
        assert result.exit_code == 0, result.output
    cache = open_cache(tmp_path / "cache")
    assert [facts.id for facts in cache.examples] == ["scene-7-0", "scene-7-1", "scene-7-2"]
    assert "1 examples encoded, 2 were there already" in result.output
    assert cache.fields == ("class_map", "raw")
    assert composed == [4, 4]
    source = {"reader": "composites", "split": "val", "seed": "7"}
    assert (
        read_index(Place(tmp_path / "cache")).key.source == source
    )  # as before there was a choice of length


def test_composites_of_another_length_are_other_scenes(run, composed, tmp_path):
    options = ("composites", "--out", tmp_path / "cache", "--n", 2, "--bundle", "tiny", "--views", 0)
    result = run(*options, "--seconds", 10)
    assert result.exit_code == 0, result.output
    assert composed == [10]
    assert read_index(Place(tmp_path / "cache")).key.source["seconds"] == "10"
    other = run(*options)
    assert other.exit_code == 1
    assert "--force" in other.output
    again = run(*options, "--seconds", 10)
    assert "0 examples encoded, 2 were there already" in again.output
    assert run(*options, "--seconds", 0.5).exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("videos", "--out", "x"), 2, "videos needs the folder"),
        (("composites", "here", "--out", "x"), 2, "composites takes no folder"),
        (
            ("videos", "here", "--out", "x", "--fields", "tokens,smell"),
            2,
            "smell is not among class_map, raw",
        ),
        (("videos", "here", "--out", "x", "--split", "all"), 2, "'all' is not among train, val, test"),
        (("no-such-reader", "here", "--out", "x"), 1, "no-such-reader"),
        (("videos", "no/such/folder", "--out", "x"), 1, "no/such/folder"),
        (("videos", "here", "--out", "x", "--bundle", "no-such-bundle"), 1, "no-such-bundle"),
        (("videos", "here", "--out", "taken", "--bundle", "tiny"), 1, "taken"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(run, tmp_path, videos, monkeypatch, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    videos.rename(tmp_path / "here")
    (tmp_path / "taken").write_text("a file where the cache should go")
    result = run(*arguments)
    assert result.exit_code == code
    assert message in " ".join(result.output.replace("│", " ").split())


def test_a_terminal_sees_a_bar_with_rate_and_id(tiny_only, videos, tmp_path):
    program = "import sys; from training.cache.cli import app; app(sys.argv[1:])"
    command = [
        sys.executable,
        "-c",
        program,
        "videos",
        videos,
        "--out",
        tmp_path / "cache",
        "--bundle",
        "tiny",
    ]
    terminal, ours = pty.openpty()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=ours, text=True) as running:
        os.close(ours)
        shown = bytearray()
        while piece := _read(terminal):
            shown += piece
        out, _ = running.communicate()
    os.close(terminal)
    assert running.returncode == 0, out
    assert b"/s" in shown
    assert re.search(rb"\d/3", shown)  # which clips it catches is up to its clock
    assert b"broken" in shown


def _read(terminal):
    try:
        return os.read(terminal, 4096)
    except OSError:  # the other side is closed
        return b""
