import asyncio

import pytest

from app.api.schemas import Problem
from app.auth.key_file import create_key, revoke_key
from app.errors import InvalidRequest
from app.settings import AuthSettings

OPEN = ["/livez", "/readyz", "/openapi.json"]
MULTIPART = {"Content-Type": "multipart/form-data; boundary=x"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys.json"


@pytest.fixture
def make_key(path):
    """`make_key("analyze", ...)` gives a key with these scopes."""
    return lambda *scopes, label="lab": create_key(path, label=label, scopes=scopes)[0]


@pytest.fixture
def limited(settings):
    """`limited(**auth)` are the settings with these for `auth`."""
    return lambda **auth: settings.model_copy(update={"auth": AuthSettings(**auth)})


@pytest.fixture
def still(monkeypatch):
    """The clock of the limits stands at the beginning of an hour; `still(seconds)` sets it."""
    now_s = 1_800_000_000.0
    monkeypatch.setattr("limits.storage.memory.time.time", lambda: now_s)

    def set_time(seconds):
        nonlocal now_s
        now_s = 1_800_000_000.0 + seconds

    return set_time


@pytest.fixture
def clip(make_clip):
    return make_clip(bursts=((0.0, 2.0),))


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


def upload(clip):
    return {"file": ("clip.mp4", clip.read_bytes())}


def outcome(response):
    """Status and code, once it is sure that the error is a problem."""
    if response.status_code < 400:
        return response.status_code, None
    return response.status_code, Problem.model_validate_json(response.content).code


def test_a_key_opens_the_api_in_either_header(play, clip, limited, path, make_key):
    key = make_key("analyze")

    async def scenario(client):
        headers = [bearer(key), {"Authorization": f"bearer {key}"}, {"X-API-Key": key}]
        return [await client.post("/v1/localize", files=upload(clip), headers=each) for each in headers]

    assert [each.status_code for each in play(scenario, settings=limited(keys_file=path))] == [200] * 3


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer esk_wrong"},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic dXNlcjpwYXNz"},
        {"X-API-Key": "esk_wrong"},
        {"X-API-Key": ""},
    ],
)
@pytest.mark.parametrize(
    ("method", "route"),
    [("POST", "/v1/localize"), ("GET", "/v1/models"), ("GET", "/version"), ("GET", "/metrics")],
)
def test_without_a_valid_key_there_is_a_401(ask, limited, path, make_key, method, route, headers):
    make_key("analyze", "metrics", "admin")
    response = ask(method, route, headers=headers, settings=limited(keys_file=path))
    assert outcome(response) == (401, "unauthorized")
    assert response.headers["www-authenticate"] == "Bearer"


def test_probes_and_the_description_are_open(play, limited, path, make_key):
    make_key("analyze")

    async def scenario(client):
        return [(await client.get(route)).status_code for route in OPEN]

    assert play(scenario, settings=limited(keys_file=path, requests_per_minute=1)) == [200, 200, 200]


def test_every_other_route_wants_a_key(play, limited, path, make_key):
    make_key("analyze")

    async def scenario(client):
        document = (await client.get("/openapi.json")).json()
        return {
            (method, route): (await client.request(method, route)).status_code
            for route, operations in document["paths"].items()
            for method in operations
        }

    statuses = play(scenario, settings=limited(keys_file=path))
    assert {route for (_, route), status in statuses.items() if status != 401} == {"/livez", "/readyz"}


@pytest.mark.parametrize(
    ("scope", "models", "metrics"), [("analyze", 200, 403), ("metrics", 403, 200), ("admin", 200, 200)]
)
def test_a_key_opens_what_its_scope_names(play, limited, path, make_key, scope, models, metrics):
    headers = bearer(make_key(scope))

    async def scenario(client):
        return [await client.get(route, headers=headers) for route in ("/v1/models", "/metrics", "/version")]

    answers = play(scenario, settings=limited(keys_file=path))
    assert [answer.status_code for answer in answers] == [models, metrics, 200]
    for answer in answers:
        if answer.status_code == 403:
            assert outcome(answer) == (403, "forbidden")


def test_without_keys_everything_is_open(play):
    async def scenario(client):
        routes = ("/v1/models", "/metrics", "/version")
        return [(await client.get(route, headers={"X-API-Key": "any"})).status_code for route in routes]

    assert play(scenario) == [200, 200, 200]


def test_revocation_needs_no_restart(play, limited, path):
    old, record = create_key(path, label="lab", scopes=("analyze",))

    async def scenario(client):
        before = await client.get("/v1/models", headers=bearer(old))
        new, _ = create_key(path, label="lab", scopes=("analyze",))
        revoke_key(path, record.id)
        after = [await client.get("/v1/models", headers=bearer(key)) for key in (old, new)]
        return [answer.status_code for answer in (before, *after)]

    assert play(scenario, settings=limited(keys_file=path)) == [200, 401, 200]


def test_a_key_is_asked_for_before_a_place_is_taken_or_the_body_is_read(play, limited, path, make_key):
    make_key("analyze")

    async def never():
        raise AssertionError("the body was read")
        yield b""

    async def scenario(client):
        return await client.post("/v1/localize", content=never(), headers=MULTIPART)

    assert outcome(play(scenario, settings=limited(keys_file=path))) == (401, "unauthorized")


def test_no_key_reaches_the_log(play, limited, path, make_key, caplog):
    key = make_key("analyze")

    async def scenario(client):
        await client.get("/v1/models", headers=bearer(key))
        await client.get("/v1/models", headers=bearer("esk_wrong"))

    play(scenario, settings=limited(keys_file=path))
    logged = " ".join(str(vars(record)) for record in caplog.records)
    assert "refused" in logged
    assert key not in logged
    assert "esk_wrong" not in logged


def test_a_broken_file_of_keys_stops_the_start(play, limited, path):
    path.write_text("{")
    with pytest.raises(InvalidRequest, match=r"keys\.json"):
        play(lambda client: client.get("/livez"), settings=limited(keys_file=path))


def test_too_many_requests_are_429_until_the_time_that_is_told(play, limited, path, make_key, still):
    lab, other = bearer(make_key("analyze")), bearer(make_key("analyze", label="other"))
    again = bearer(make_key("analyze"))

    async def scenario(client):
        async def ask(headers):
            return await client.get("/v1/models", headers=headers)

        passed = [(await ask(headers)).status_code for headers in (lab, again, other)]
        refused = await ask(lab)
        still(int(refused.headers["retry-after"]))
        return passed, refused, await ask(lab)

    passed, refused, later = play(scenario, settings=limited(keys_file=path, requests_per_minute=2))
    assert passed == [200, 200, 200]
    assert outcome(refused) == (429, "rate_limited")
    assert refused.json()["setting"] == "EARSIGHT_AUTH__REQUESTS_PER_MINUTE"
    assert later.status_code == 200


def test_anonymous_requests_count_by_address(play, limited, still):
    async def scenario(client):
        return [(await client.get("/v1/models")).status_code for _ in range(3)]

    assert play(scenario, settings=limited(requests_per_minute=2)) == [200, 200, 429]


def test_one_upload_too_many_at_the_same_time_is_429_and_the_first_goes_on(play, limited, clip, scratch):

    async def scenario(client):
        begun, go_on = asyncio.Event(), asyncio.Event()
        request = client.build_request("POST", "/v1/localize", files=upload(clip))
        whole = await request.aread()

        async def slowly():
            yield whole[:100]
            begun.set()
            await go_on.wait()
            yield whole[100:]

        headers = {"Content-Type": request.headers["content-type"]}
        first = asyncio.ensure_future(client.post("/v1/localize", content=slowly(), headers=headers))
        await begun.wait()
        second = await client.post("/v1/localize", files=upload(clip))
        go_on.set()
        return second, await first, await client.post("/v1/localize", files=upload(clip))

    second, first, third = play(scenario, settings=limited(max_concurrent_uploads=1))
    assert outcome(second) == (429, "rate_limited")
    assert int(second.headers["retry-after"]) > 0
    assert (first.status_code, third.status_code) == (200, 200)
    assert not list(scratch.iterdir())


def test_bytes_of_an_hour_are_limited_before_the_body_is_read(play, limited, clip, still, scratch):
    size = clip.stat().st_size

    async def scenario(client):
        passed = await client.post("/v1/localize", files=upload(clip))
        refused = await client.post("/v1/localize", files=upload(clip))
        still(int(refused.headers["retry-after"]))
        return passed, refused, await client.post("/v1/localize", files=upload(clip))

    passed, refused, later = play(scenario, settings=limited(upload_bytes_per_hour=int(1.5 * size)))
    assert [passed.status_code, later.status_code] == [200, 200]
    assert outcome(refused) == (429, "rate_limited")
    assert refused.json()["setting"] == "EARSIGHT_AUTH__UPLOAD_BYTES_PER_HOUR"
    assert not list(scratch.iterdir())


def test_an_upload_of_no_announced_size_is_cut_off_when_the_bytes_are_used_up(play, limited, still, scratch):
    sent = []

    async def endless():
        yield b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\n'
        while len(sent) < 100:
            sent.append(1)
            yield b"\0" * 10_000

    async def scenario(client):
        return await client.post("/v1/localize", content=endless(), headers=MULTIPART)

    response = play(scenario, settings=limited(upload_bytes_per_hour=55_000))
    assert outcome(response) == (429, "rate_limited")
    assert len(sent) == 6
    assert not list(scratch.iterdir())


def test_an_upload_that_was_broken_off_counts(play, limited, still):
    async def scenario(client):
        first = await client.post("/v1/localize", content=b"\0" * 600, headers=MULTIPART)
        return first, await client.post("/v1/localize", content=b"\0" * 600, headers=MULTIPART)

    first, second = play(scenario, settings=limited(upload_bytes_per_hour=1000))
    assert outcome(first) == (422, "invalid_request")
    assert outcome(second) == (429, "rate_limited")
