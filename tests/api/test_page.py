"""The page at `/`: that it is served, and what its files may be."""

from pathlib import Path

import pytest

from app.settings import PageSettings

ROOT = Path(__file__).parents[2]
WEB = ROOT / "app" / "web"
MAX_BYTES = 80_000


def test_the_page_and_its_files_are_served_with_a_policy_of_their_own(ask):
    page = ask("GET", "/")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'self'; media-src 'self' blob:; img-src 'self' data: blob:;")
    assert "unsafe" not in policy
    assert page.headers["cache-control"] == "no-cache"
    script = ask("GET", "/page/app.js")
    assert "javascript" in script.headers["content-type"]
    assert script.content == (WEB / "app.js").read_bytes()


def test_a_browser_that_has_a_file_gets_none(ask):
    for encoding in ("gzip", "identity"):
        headers = {"Accept-Encoding": encoding}
        etag = ask("GET", "/page/style.css", headers=headers).headers["etag"]
        again = ask("GET", "/page/style.css", headers={**headers, "If-None-Match": etag})
        assert (again.status_code, again.content) == (304, b"")


def test_the_sample_is_the_one_that_ships(ask):
    assert ask("GET", "/page/sample.mp4").content == (ROOT / "app/samples/sample.mp4").read_bytes()


def test_the_page_is_told_the_limits(ask, settings):
    told = {"max_upload_bytes": settings.limits.max_upload_bytes}
    assert ask("GET", "/page/limits.json").json() == told


@pytest.mark.parametrize("path", ["/page/none.js", "/page/..%2fsettings.py", "/page/%2e%2e/settings.py"])
def test_there_is_nothing_else(ask, path):
    response = ask("GET", path)
    assert response.status_code == 404
    assert response.json()["code"] == "not_found"


def test_the_page_can_be_switched_off(ask, settings):
    closed = settings.model_copy(update={"page": PageSettings(enabled=False)})
    for path in ("/", "/page/app.js", "/page/limits.json"):
        assert ask("GET", path, settings=closed).status_code == 404


def test_the_api_keeps_its_strict_policy(ask):
    policy = ask("GET", "/livez").headers["content-security-policy"]
    assert policy == "default-src 'none'; frame-ancestors 'none'"


def test_the_source_of_the_page_is_small():
    assert 0 < sum(path.stat().st_size for path in WEB.iterdir()) < MAX_BYTES


def test_a_browser_loads_half_of_that_at_most(play):

    async def scenario(client):
        sizes = []
        for path in WEB.iterdir():
            request = client.build_request("GET", f"/page/{path.name}", headers={"Accept-Encoding": "gzip"})
            answer = await client.send(request, stream=True)
            sizes.append(sum([len(block) async for block in answer.aiter_raw()]))
        return sizes

    sizes = play(scenario)
    assert min(sizes) > 0
    assert sum(sizes) < MAX_BYTES / 2


def test_who_cannot_unpack_gets_the_plain_file(ask):
    answer = ask("GET", "/page/app.js", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in answer.headers
    assert answer.content == (WEB / "app.js").read_bytes()


@pytest.mark.parametrize("path", sorted(WEB.iterdir()), ids=lambda path: path.name)
def test_no_file_loads_from_elsewhere_or_makes_markup_of_data(path):
    text = path.read_text().replace("http://www.w3.org/2000/svg", "")
    assert "http://" not in text
    assert "https://" not in text
    for name in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
        assert name not in text
