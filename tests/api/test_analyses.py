import asyncio
import base64
import io
import json
import threading
import time

import av
import numpy as np
import pytest
from PIL import Image

from app.api.application import create_app
from app.api.schemas import Frame, Problem, ResultDocument, ResultHead
from app.api.service import service_of
from app.errors import InternalError
from app.settings import LimitSettings, ServerSettings

ROUTES = ("/v1/localize", "/v1/analyze")


@pytest.fixture
def clip(make_clip):
    """Two seconds; the square goes from left to right, the tone is heard throughout."""
    return make_clip(bursts=((0.0, 2.0),))


def upload(path, name="file"):
    return {name: (path.name, path.read_bytes())}


def replace_the_work(monkeypatch, work):
    """Call `work` in place of the analysis, and write an empty result."""
    monkeypatch.setattr("app.jobs.analyst.Analyst.analyze", work)

    def write(self, result, path, *_, **__):
        path.write_bytes(b"{}")

    monkeypatch.setattr("app.jobs.analyst.Analyst.write", write)


@pytest.mark.parametrize("route", ROUTES)
def test_answer_is_the_documented_result(ask, clip, route):
    response = ask("POST", route, files=upload(clip))
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.headers["vary"] == "Accept"
    result = ResultDocument.model_validate_json(response.content)
    assert (result.source.width, result.source.height) == (160, 120)
    assert result.model.name == "tiny"
    assert len(result.frames) == result.sampling.frames == 8


def test_heatmap_follows_the_square_that_sounds(ask, clip):
    result = ask("POST", "/v1/localize", files=upload(clip)).json()
    x = [frame["heatmap"]["peak"]["x"] for frame in result["frames"]]
    assert x[0] < 0.4 < 0.6 < x[-1]
    assert result["frames"][0]["heard"][0]["label"] == "Tone"


def test_options_come_from_the_form_or_the_query(play, clip):
    async def scenario(client):
        form = await client.post("/v1/localize", files=upload(clip), data={"fps": "2"})
        query = await client.post("/v1/localize?fps=2&model=tiny", files=upload(clip))
        return form.json(), query.json()

    for result in play(scenario):
        assert result["sampling"] == {"fps": 2.0, "frames": 4}


@pytest.mark.parametrize(
    ("query", "data", "part"),
    [
        ({"fps": "0"}, {}, "fps"),
        ({"fps": "61"}, {}, "fps"),
        ({"fps": "nan"}, {}, "fps"),
        ({"fps": "four"}, {}, "fps"),
        ({"fsp": "4"}, {}, "fsp"),
        ({}, {"fps": "-1"}, "fps"),
        ({}, {"frames": "4"}, "'frames'"),
        ({"fps": "4"}, {"fps": "4"}, "both"),
    ],
)
def test_options_that_do_not_fit_are_named(ask, clip, scratch, query, data, part):
    response = ask("POST", "/v1/localize", files=upload(clip), params=query, data=data)
    problem = Problem.model_validate_json(response.content)
    assert (problem.status, problem.code) == (422, "invalid_request")
    assert part in problem.detail
    assert not list(scratch.iterdir())


@pytest.mark.parametrize("name", ["../tiny", "huge"])
def test_unknown_model_is_404_and_names_the_known_ones(ask, clip, name):
    response = ask("POST", f"/v1/localize?model={name}", files=upload(clip))
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert "tiny, tiny-detect, tiny-explain, tiny-small" in response.json()["detail"]


def test_bundles_of_different_input_sizes_answer_side_by_side(play, clip, caplog):
    """Both see the square in the same cells, and the first requests for the one that is not loaded yet come
    at the same time."""
    names = ["tiny-small", "tiny", "tiny-small", "tiny-small"]

    async def scenario(client):
        asked = [client.post(f"/v1/localize?model={name}", files=upload(clip)) for name in names]
        answers = await asyncio.gather(*asked)
        return answers, await client.get("/v1/models"), await client.get("/metrics")

    answers, models, metrics = play(scenario)
    results = [ResultDocument.model_validate_json(answer.content) for answer in answers]
    assert [result.model.name for result in results] == names
    peaks = [[frame.heatmap.peak for frame in result.frames if not frame.silence] for result in results]
    places = [[(peak.x, peak.y) for peak in each] for each in peaks]
    assert places[0] == places[1] == places[2] == places[3]
    assert len(set(places[0])) > 1
    assert [record.bundle for record in caplog.records if record.msg == "bundle_loaded"] == [
        "tiny",
        "tiny-small",
    ]
    loaded = {model["name"] for model in models.json()["models"] if model["loaded"]}
    assert loaded == {"tiny", "tiny-small"}
    assert metrics.text.count("earsight_model_info{") == 2


@pytest.mark.parametrize(
    ("headers", "query"), [({}, {"format": "gif"}), ({"Accept": "image/gif"}, {}), ({"Accept": "x"}, {})]
)
def test_other_formats_are_406(ask, clip, scratch, headers, query):
    response = ask("POST", "/v1/localize", files=upload(clip), headers=headers, params=query)
    assert (response.status_code, response.json()["code"]) == (406, "not_acceptable")
    assert response.headers["vary"] == "Accept"
    assert not list(scratch.iterdir())


def test_ndjson_is_header_frames_and_the_complete_header(ask, clip):
    response = ask("POST", "/v1/localize", files=upload(clip), headers={"Accept": "application/jsonl"})
    assert response.headers["content-type"] == "application/x-ndjson"
    head, *frames, last = response.text.splitlines()
    first, final = ResultHead.model_validate_json(head), ResultHead.model_validate_json(last)
    assert first.sampling.frames is None
    assert final.sampling.frames == len([Frame.model_validate_json(line) for line in frames]) == 8
    assert final.source == first.source


def test_ndjson_repeats_the_warnings_that_were_not_known_at_first(ask, make_clip):
    response = ask("POST", "/v1/localize?format=ndjson", files=upload(make_clip(audio=None)))
    last = json.loads(response.text.splitlines()[-1])
    assert [warning["code"] for warning in last["warnings"]] == ["no_audio"]


def test_ndjson_of_media_that_cannot_be_used_has_a_status_of_its_own(ask, tmp_path):
    (tmp_path / "empty.mp4").touch()
    response = ask("POST", "/v1/localize?format=ndjson", files=upload(tmp_path / "empty.mp4"))
    assert (response.status_code, response.json()["code"]) == (422, "media_corrupt")


@pytest.mark.parametrize("failure", [InternalError("secret"), RuntimeError("secret")])
def test_ndjson_that_fails_later_ends_with_a_problem(ask, clip, monkeypatch, caplog, failure):
    def fail(result):
        raise failure

    monkeypatch.setattr("app.jobs.analyst.final_line", fail)
    response = ask("POST", "/v1/localize?format=ndjson", files=upload(clip))
    assert response.status_code == 200
    problem = Problem.model_validate_json(response.text.splitlines()[-1])
    assert (problem.status, problem.code) == (500, "internal")
    assert "secret" not in response.text
    assert "secret" in caplog.text


def test_npz_is_an_attachment_with_the_exact_floats(ask, clip):
    response = ask("POST", "/v1/localize", files=upload(clip), headers={"Accept": "application/x-npz"})
    assert response.headers["content-disposition"] == 'attachment; filename="heatmaps.npz"'
    assert int(response.headers["content-length"]) == len(response.content)
    arrays = np.load(io.BytesIO(response.content), allow_pickle=False)
    assert arrays["heatmap"].shape == (8, 4, 4)
    assert arrays["heatmap"].dtype == np.float32


def test_overlay_is_a_video_that_can_be_played(ask, clip):
    response = ask("POST", "/v1/localize", files=upload(clip), data={"format": "overlay"})
    assert response.headers["content-type"] == "video/mp4"
    assert response.headers["content-disposition"] == 'attachment; filename="overlay.mp4"'
    with av.open(io.BytesIO(response.content)) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        assert len(container.streams.audio) == 1


def test_range_is_not_honoured_for_an_answer_that_is_made_anew_each_time(ask, clip):
    headers = {"Accept": "application/x-npz", "Range": "bytes=0-9"}
    response = ask("POST", "/v1/localize", files=upload(clip), headers=headers)
    assert response.status_code == 200
    assert response.headers["accept-ranges"] == "none"


def test_silent_video_takes_its_sound_from_the_audio_field(ask, make_clip, clip):
    files = {**upload(make_clip(audio=None)), **upload(clip, "audio")}
    result = ask("POST", "/v1/localize", files=files).json()
    assert result["warnings"] == []
    assert max(frame["presence"] for frame in result["frames"]) > 0.5


def test_still_image_lasts_as_long_as_its_sound(ask, make_clip, tmp_path):
    image = np.zeros((96, 96, 3), np.uint8)
    image[:48, 48:] = 255
    Image.fromarray(image).save(tmp_path / "photo.png")
    sound = make_clip(video=None, container="wav", audio="pcm_s16le", frames=0, audio_s=2.0)
    files = {**upload(tmp_path / "photo.png"), **upload(sound, "audio")}
    result = ask("POST", "/v1/localize", files=files).json()
    assert result["source"]["kind"] == "image"
    loud = [frame for frame in result["frames"] if not frame["silence"]]
    grid = np.frombuffer(base64.b64decode(loud[0]["heatmap"]["data"]), np.uint8).reshape(4, 4)
    assert (grid >= 128).tolist() == [[False, False, True, True]] * 2 + [[False] * 4] * 2


def test_scratch_is_private_and_empty_afterwards(ask, clip, scratch, monkeypatch):
    seen = []

    def look(self, order, cancel, **_):
        seen.append((order.source.parent.stat().st_mode & 0o777, order.source.name))
        raise InternalError("looked")

    monkeypatch.setattr("app.jobs.analyst.Analyst.analyze", look)
    files = {"file": ("../../evil.mp4", clip.read_bytes())}
    assert ask("POST", "/v1/localize", files=files).status_code == 500
    assert seen == [(0o700, "upload-file")]
    assert not list(scratch.iterdir())


def test_what_a_crash_left_behind_is_removed_at_start(ask, scratch):
    from app.media.spool import PREFIX

    (scratch / f"{PREFIX}old").mkdir(parents=True)
    (scratch / f"{PREFIX}old" / "upload-file").write_bytes(b"x")
    (scratch / "mine.txt").write_text("not Earsight's")
    ask("GET", "/livez")
    assert [path.name for path in scratch.iterdir()] == ["mine.txt"]


def test_upload_over_the_limit_is_413_with_the_setting(ask, clip, settings, scratch):
    settings = settings.model_copy(update={"limits": LimitSettings(max_upload_bytes=1024)})
    response = ask("POST", "/v1/localize", files=upload(clip), settings=settings)
    problem = Problem.model_validate_json(response.content)
    assert (problem.status, problem.code, problem.limit) == (413, "upload_too_large", 1024)
    assert not list(scratch.iterdir())


def test_more_than_may_wait_is_503_before_the_upload_is_read(play, settings, clip, monkeypatch):
    release, begun = threading.Event(), threading.Event()

    def work(self, order, cancel, **_):
        begun.set()
        release.wait(20)

    replace_the_work(monkeypatch, work)
    server = ServerSettings(max_concurrent_analyses=1, max_waiting_analyses=0)
    read = []

    async def body():
        read.append(True)
        yield b""

    async def scenario(client):
        first = asyncio.ensure_future(client.post("/v1/localize", files=upload(clip)))
        await asyncio.to_thread(begun.wait, 10)
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        second = await client.post("/v1/localize", content=body(), headers=headers)
        release.set()
        return await first, second

    first, second = play(scenario, settings=settings.model_copy(update={"server": server}))
    assert first.status_code == 200
    assert (second.status_code, second.json()["code"]) == (503, "overloaded")
    assert int(second.headers["retry-after"]) > 0
    assert not read


@pytest.mark.parametrize("name", ["json", "ndjson"])
def test_client_that_leaves_ends_its_analysis(settings, clip, scratch, monkeypatch, name):
    begun, ended = threading.Event(), threading.Event()

    def work(self, order, cancel, *, lines=None):
        begun.set()
        if lines is not None:
            lines.append(b"{}\n")
        assert cancel.wait(20)
        ended.set()

    replace_the_work(monkeypatch, work)

    async def scenario():
        app = create_app(settings)
        async with app.router.lifespan_context(app):
            sent = await call_and_leave(app, clip, f"format={name}", begun)
            return sent, service_of(app).gate.idle

    sent, idle = asyncio.run(asyncio.wait_for(scenario(), 30))
    assert ended.is_set()
    assert idle
    assert not list(scratch.iterdir())
    assert not [message for message in sent if message.get("status", 200) != 200]


async def call_and_leave(app, clip, query, begun):
    """POST the clip, close the connection once the analysis has begun, return what was sent."""
    boundary = b"xyz"
    head = b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    body = [head + clip.read_bytes() + b"\r\n--xyz--\r\n"]
    sent = []

    async def receive():
        if body:
            return {"type": "http.request", "body": body.pop(), "more_body": False}
        await asyncio.to_thread(begun.wait, 10)
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "path": "/v1/localize",
        "raw_path": b"/v1/localize",
        "query_string": query.encode(),
        "headers": [(b"content-type", b"multipart/form-data; boundary=" + boundary)],
        "scheme": "http",
        "server": ("test", 80),
        "client": ("test", 1),
        "root_path": "",
    }
    await app(scope, receive, send)
    return sent


def test_event_loop_turns_while_the_worker_is_busy(play, clip, monkeypatch):
    def work(self, order, cancel, **_):
        time.sleep(0.5)

    replace_the_work(monkeypatch, work)

    async def scenario(client):
        busy = asyncio.ensure_future(client.post("/v1/localize", files=upload(clip)))
        answers = 0
        while not busy.done():
            assert (await client.get("/livez")).status_code == 200
            answers += 1
            await asyncio.sleep(0.01)
        return answers

    assert play(scenario) > 5


def test_figures_of_the_analysis_are_counted(play, clip, tmp_path):
    (tmp_path / "empty.mp4").touch()

    async def scenario(client):
        await client.post("/v1/localize", files=upload(clip))
        await client.post("/v1/localize", files=upload(tmp_path / "empty.mp4"))
        return (await client.get("/metrics")).text

    text = play(scenario)
    assert "earsight_frames_total 8.0" in text
    assert f"earsight_upload_bytes_total {float(clip.stat().st_size)}" in text
    assert 'earsight_decode_failures_total{code="media_corrupt"} 1.0' in text
    assert 'earsight_inference_seconds_count{graph="visual",model="tiny"' in text
    for stage in ("upload", "probe", "decode", "wait", "infer", "post", "encode"):
        assert f'earsight_stage_seconds_count{{stage="{stage}"}}' in text
