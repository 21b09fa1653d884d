"""The commands of docs/api.md, run as they stand."""

import re
import shutil
import subprocess
from pathlib import Path

import av
import pytest
from PIL import Image

from app.api.schemas import ResultDocument

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


@pytest.fixture
def run(server, make_clip, tmp_path):
    shutil.copy(make_clip(bursts=((0.0, 2.0),)), tmp_path / "clip.mp4")
    Image.new("RGB", (96, 64), "white").save(tmp_path / "photo.jpg")
    sound = make_clip(video=None, frames=0, container="wav", audio="pcm_s16le", audio_s=2.0)
    shutil.copy(sound, tmp_path / "sound.wav")

    def run_command(command):
        assert "http://127.0.0.1:8000/" in command
        command = command.replace("http://127.0.0.1:8000", server.url)
        done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, timeout=120, check=True)
        return done.stdout

    return run_command


def command_with(*words):
    (found,) = [command for command in COMMANDS if all(word in command for word in words)]
    return found


def test_result_of_a_clip(run):
    result = ResultDocument.model_validate_json(run(command_with("clip.mp4", "-s -F", "file=@clip.mp4 http")))
    assert result.source.kind == "video"


def test_overlay(run, tmp_path):
    run(command_with("overlay.mp4"))
    with av.open(str(tmp_path / "overlay.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "h264"


def test_photo_with_a_sound(run):
    result = ResultDocument.model_validate_json(run(command_with("photo.jpg", "sound.wav")))
    assert result.source.kind == "image"


def test_lines(run):
    assert len(run(command_with("ndjson")).splitlines()) == 8 + 2


def test_every_command_of_the_page_is_run_here():
    assert len(COMMANDS) == 4
