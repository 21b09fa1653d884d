import hashlib

import httpx
import pytest

from app.client import DownloadCorrupt, EarsightClientError, Unreachable

CONTENT = bytes(range(256)) * 40
HASH = hashlib.sha256(CONTENT).hexdigest()
ARTIFACT = {
    "name": "overlay.mp4",
    "media_type": "video/mp4",
    "bytes": len(CONTENT),
    "sha256": HASH,
    "href": "/x",
}


@pytest.fixture
def job_with_film(connect, say):
    """`job_with_film(answer, ...)` is a job with an artifact whose downloads get these answers."""

    def make(*steps, **changes):
        job = say.job("succeeded", artifacts=[{**ARTIFACT, **changes}])
        client, script = connect(job, job, *steps)
        return client.job(say.id), script

    return make


def whole(_=None):
    return httpx.Response(200, content=CONTENT)


def rest(request):
    """What a server that knows ranges and the entity tag sends."""
    if request.headers.get("If-Range") != f'"{HASH}"':
        return whole()
    start = int(request.headers["Range"].removeprefix("bytes=").removesuffix("-"))
    headers = {"Content-Range": f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"}
    return httpx.Response(206, content=CONTENT[start:], headers=headers)


def test_a_download_lies_at_its_path_or_in_its_directory(job_with_film, tmp_path):
    job, script = job_with_film(whole)
    assert job.download("overlay.mp4", tmp_path / "film.mp4") == tmp_path / "film.mp4"
    assert script.requests[-1].url.path.endswith("/artifacts/overlay.mp4")
    job, _ = job_with_film(whole)
    assert job.download("overlay.mp4", str(tmp_path)).read_bytes() == CONTENT
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.mp4", "overlay.mp4"]


def test_a_broken_download_goes_on_where_it_broke(job_with_film, say, tmp_path):
    job, script = job_with_film(
        httpx.Response(200, stream=say.broken(CONTENT[:5000])), say.page(502), say.reset, rest
    )
    assert job.download("overlay.mp4", tmp_path).read_bytes() == CONTENT
    ranges = [request.headers.get("Range") for request in script.requests[2:]]
    assert ranges == [None, "bytes=5000-", "bytes=5000-", "bytes=5000-"]
    assert script.requests[-1].headers["If-Range"] == f'"{HASH}"'


def test_a_server_that_sends_all_again_is_understood(job_with_film, say, tmp_path):
    job, _ = job_with_film(httpx.Response(200, stream=say.broken(CONTENT[:5000])), whole)
    assert job.download("overlay.mp4", tmp_path).read_bytes() == CONTENT


def test_a_later_call_goes_on_with_what_an_earlier_one_left(job_with_film, say, tmp_path):
    job, _ = job_with_film(
        httpx.Response(200, stream=say.broken(CONTENT[:700])), say.problem(403, "forbidden")
    )
    with pytest.raises(EarsightClientError, match="forbidden"):
        job.download("overlay.mp4", tmp_path)
    assert not (tmp_path / "overlay.mp4").exists()
    job, script = job_with_film(rest)
    assert job.download("overlay.mp4", tmp_path).read_bytes() == CONTENT
    assert script.requests[-1].headers["Range"] == "bytes=700-"


def test_a_part_that_was_whole_needs_no_request(job_with_film, tmp_path):
    (tmp_path / f".overlay.mp4.{HASH[:16]}.part").write_bytes(CONTENT)
    job, script = job_with_film(say_nothing)
    assert job.download("overlay.mp4", tmp_path).read_bytes() == CONTENT
    assert len(script.requests) == 2


def say_nothing(request):
    raise AssertionError(f"asked for {request.url}")


def test_a_wrong_file_is_removed(job_with_film, tmp_path):
    job, _ = job_with_film(httpx.Response(200, content=b"x" * len(CONTENT)))
    with pytest.raises(DownloadCorrupt, match=HASH):
        job.download("overlay.mp4", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_connections_that_bring_nothing_are_not_made_for_ever(job_with_film, say, tmp_path):
    job, script = job_with_film(lambda _: httpx.Response(200, stream=say.broken()))
    with pytest.raises(Unreachable, match="break before"):
        job.download("overlay.mp4", tmp_path)
    assert len(script.requests) == 2 + 6


def test_an_artifact_that_the_job_has_not_made_is_an_error_with_the_names(job_with_film, tmp_path):
    job, _ = job_with_film(say_nothing)
    with pytest.raises(EarsightClientError, match=r"no artifact heatmaps\.npz; there are: overlay\.mp4"):
        job.download("heatmaps.npz", tmp_path)
