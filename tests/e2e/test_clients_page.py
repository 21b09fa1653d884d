"""The programs of docs/clients.md, run as they stand against a real server."""

import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import av
import pytest
from standardwebhooks import Webhook

from app.api.schemas import ResultDocument

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:8000"


def program(language, *words):
    blocks = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    (found,) = [block for block in blocks if all(word in block for word in words)]
    return found


@pytest.fixture
def run(server, make_clip, tmp_path, monkeypatch):
    """`run(command, program)` gives what the program prints, in a directory with a clip."""
    shutil.copy(make_clip(bursts=((0.0, 2.0),)), tmp_path / "clip.mp4")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def run_program(command, text):
        assert ADDRESS in text
        path = tmp_path / "program.mjs"
        path.write_text(text.replace(ADDRESS, server.url))
        command = [*command, str(path), "clip.mp4"]
        ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    return run_program


def assert_is_film(path):
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == "h264"


def test_python_at_once(run):
    assert len(run([sys.executable], program("python", "earsight.analyze")).splitlines()) == 4


def test_python_with_a_job(run, tmp_path):
    printed = run([sys.executable], program("python", "earsight.submit", "progress="))
    assert "done 100%" in printed
    assert printed.endswith("8 frames\n")
    assert_is_film(tmp_path / "overlay.mp4")


def test_python_with_an_event_loop(run):
    printed = run([sys.executable], program("python", "asyncio.run"))
    assert printed.startswith("1 state")
    assert " done {" in printed
    assert printed.endswith("2.0 s\n")


def test_python_that_receives_webhooks(capsys):
    text = program("python", "verify_webhook")
    (secret,) = re.findall(r'"(whsec_.*?)"', text)
    scope = {}
    exec(text, scope)
    now = datetime.now(UTC)
    body = (
        '{"type": "job.failed", "timestamp": "2026-01-02T03:04:05Z", "data": {"id": "j", "status": "failed"}}'
    )
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign("msg_1", now, body),
    }
    assert scope["answer_webhook"](headers, body.encode()) == 204
    assert capsys.readouterr().out == "job.failed j\n"
    assert scope["answer_webhook"](headers, body.replace("j", "k").encode()) == 400


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl(run, tmp_path):
    printed = run(["bash", "-eu"], program("sh", "Idempotency-Key"))
    assert "event: done" in printed
    ResultDocument.model_validate_json((tmp_path / "result.json").read_text())
    assert_is_film(tmp_path / "overlay.mp4")


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")
def test_javascript(run):
    printed = run(["node"], program("js", "FormData"))
    assert "kind: 'state'" in printed
    assert "kind: 'done'" in printed
    assert printed.count("score:") == 8


def test_every_program_of_the_page_is_run_here():
    assert re.findall(r"^```(\w+)", PAGE, re.MULTILINE) == ["python"] * 4 + ["sh", "js"]
