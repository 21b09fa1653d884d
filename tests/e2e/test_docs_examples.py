"""The commands of docs/api.md and docs/quick-start.md, run as they stand."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import av
import pytest
from PIL import Image

from app.api.job_schemas import JobDocument
from app.api.schemas import ResultDocument
from app.inference.bundle import SHIPPED_BUNDLES
from app.inference.manifest import read_manifest
from tests.fixtures_server import ServerProcess
from tests.tiny_bundle import write_tiny_bundle

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
QUICK_START = (ROOT / "docs" / "quick-start.md").read_text(encoding="utf-8")

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def curls(page):
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    return [line for line in lines if line.startswith("curl")]


COMMANDS = curls(PAGE)


@pytest.fixture(scope="module")
def server(tmp_path_factory, tiny_environment):
    """One whose bundle does everything."""
    bundles = write_tiny_bundle(tmp_path_factory.mktemp("bundles"), detects=True, explains=True).parent
    directories = {"EARSIGHT_INFERENCE__BUNDLE_DIRS": json.dumps([str(bundles)])}
    server = ServerProcess(tmp_path_factory.mktemp("server") / "scratch", {**tiny_environment, **directories})
    yield server
    server.close()


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
    run(command_with("format=overlay"))
    with av.open(str(tmp_path / "overlay.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "h264"


def test_objects_as_coco_boxes(run):
    boxes = json.loads(run(command_with("/v1/detect")))
    assert boxes["images"]
    assert "annotations" in boxes


def test_explanation_of_an_event_of_choice(run):
    result = ResultDocument.model_validate_json(run(command_with("target=")))
    assert {why.event.label for why in result.explanations} == {"Music"}


def test_photo_with_a_sound(run):
    result = ResultDocument.model_validate_json(run(command_with("photo.jpg", "sound.wav")))
    assert result.source.kind == "image"


def test_lines(run):
    assert len(run(command_with("application/x-ndjson")).splitlines()) == 8 + 2


def test_job_from_its_upload_to_its_removal(run, tmp_path):
    job = JobDocument.model_validate_json(run(command_with("/v1/jobs", "Idempotency-Key")))

    def run_for_job(*words):
        return run(command_with(*words).replace("JOB", job.id))

    assert JobDocument.model_validate_json(run_for_job("JOB?wait=30")).status == "succeeded"
    assert b"event: done" in run_for_job("JOB/events")
    assert ResultDocument.model_validate_json(run_for_job("JOB/result")).frames
    run_for_job("JOB/artifacts")
    with av.open(str(tmp_path / "overlay.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "h264"
    assert JobDocument.model_validate_json(run_for_job("JOB/cancel")).status == "succeeded"
    assert run_for_job("DELETE") == b""


def test_error_is_the_one_that_is_shown(run):
    answer = json.loads(run(command_with("file=@sound.wav http")))
    (shown,) = [json.loads(block) for block in blocks(PAGE, "json") if '"status"' in block]
    assert answer | {"request_id": shown["request_id"]} == shown


def test_every_command_of_the_page_is_run_here():
    assert len(COMMANDS) == 14


def test_commands_of_the_quick_start(run, tmp_path):
    (tmp_path / "app").symlink_to(ROOT / "app")
    as_json, as_film = curls(QUICK_START)
    result = ResultDocument.model_validate_json(run(as_json))
    assert len(result.frames) == 9
    run(as_film)
    with av.open(str(tmp_path / "overlay.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "h264"


def test_answer_in_the_quick_start_is_of_the_bundle_that_ships():
    manifest = read_manifest(SHIPPED_BUNDLES / "default")
    assert f'"name": "default", "version": "{manifest.version}"' in QUICK_START


def test_program_of_the_quick_start():
    (text,) = blocks(QUICK_START, "python")
    ran = subprocess.run([sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True, check=True)
    lines = ran.stdout.splitlines()
    assert len(lines) == 18
    assert "Music" in lines[2]
    assert lines[-1].endswith("[]")
