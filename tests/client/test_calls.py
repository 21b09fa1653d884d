"""What is sent, and what is made of good answers."""

import subprocess
import sys

import httpx


def test_importing_the_client_loads_neither_server_nor_decoder_nor_runtime():
    script = "import sys, app.client; print(' '.join(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in ran.stdout.split()}
    assert "httpx" in loaded
    assert not loaded & {"onnxruntime", "av", "fastapi", "starlette", "uvicorn", "sqlalchemy", "torch"}


def test_an_analysis_uploads_the_files_with_options_and_without_their_names(connect, say, clip, tmp_path):
    sound = tmp_path / "sound.wav"
    sound.write_bytes(b"RIFFsound")
    client, script = connect(say.result())
    result = client.localize(clip, sound, fps=2.5, target="Dog")
    assert result.source.width == 64
    (request,) = script.requests
    assert (request.method, request.url.path) == ("POST", "/v1/localize")
    body = request.content
    assert clip.read_bytes() in body
    assert b"RIFFsound" in body
    assert b"holiday" not in body
    for name, value in {"fps": "2.5", "target": "Dog", "format": "json"}.items():
        assert f'name="{name}"\r\n\r\n{value}\r\n'.encode() in body


def test_each_task_has_its_own_path(connect, say, clip):
    client, script = connect(say.result())
    for task in ("analyze", "localize", "detect", "explain"):
        getattr(client, task)(clip)
        assert script.requests[-1].url.path == f"/v1/{task}"


def test_lists_of_a_job_are_joined_and_what_is_none_is_left_out(connect, say, clip):
    client, script = connect(say.job())
    client.submit(clip, tasks=["localize", "detect"], formats=("json", "overlay"), model=None)
    body = script.requests[0].content
    assert b'name="tasks"\r\n\r\nlocalize,detect\r\n' in body
    assert b'name="formats"\r\n\r\njson,overlay\r\n' in body
    assert b'name="model"' not in body


def test_key_and_path_of_the_server_go_with_every_request(connect, say):
    client, script = connect(say.job(), url="https://host/earsight/", api_key="ek_secret")
    client.job(say.id)
    (request,) = script.requests
    assert str(request.url) == f"https://host/earsight/v1/jobs/{say.id}"
    assert request.headers["Authorization"] == "Bearer ek_secret"


def test_what_a_newer_server_tells_beside_is_passed_over(connect, say):
    client, _ = connect(say.job(news=1))
    assert client.job(say.id).status == "queued"


def test_an_id_cannot_lead_to_another_path(connect, say):
    client, script = connect(say.job())
    client.job("../models?x=1")
    assert script.requests[0].url.raw_path == b"/v1/jobs/..%2Fmodels%3Fx%3D1"


def test_jobs_come_page_by_page(connect, say):
    ids = ["job_C", "job_B", "job_A"]
    first, second, third = (say.job_json("succeeded", id=name) for name in ids)
    links = {"self": "/v1/jobs", "next": "/v1/jobs?before=job_B"}
    client, script = connect(
        httpx.Response(200, json={"jobs": [first, second], "links": links}),
        httpx.Response(200, json={"jobs": [third], "links": {**links, "next": None}}),
    )
    assert [job.id for job in client.jobs(status="succeeded")] == ids
    assert [dict(request.url.params) for request in script.requests] == [
        {"status": "succeeded"},
        {"status": "succeeded", "before": "job_B"},
    ]


def test_result_in_memory_is_a_document_or_bytes(connect, say):
    client, script = connect(say.job("succeeded"), say.result(), httpx.Response(200, content=b"PK"))
    job = client.job(say.id)
    assert job.result().sampling.fps == 8.0
    assert job.result("zip") == b"PK"
    assert [dict(request.url.params) for request in script.requests[1:]] == [
        {"format": "json"},
        {"format": "zip"},
    ]


def test_cancel_tells_the_new_state(connect, say):
    client, script = connect(say.job("running"), say.job("canceled"))
    job = client.job(say.id)
    job.cancel()
    assert job.status == "canceled"
    assert (script.requests[1].method, script.requests[1].url.path) == ("POST", f"/v1/jobs/{say.id}/cancel")
