import asyncio
import json

import httpx
import pytest
from fastapi import FastAPI, Request
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.responses import StreamingResponse

from app.api import problems
from app.api.middleware import RequestMiddleware
from app.errors import MediaCorrupt
from app.telemetry.metrics import Metrics

MAX_BYTES = 1000


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def app(metrics):
    app = FastAPI()
    problems.install(app, max_upload_bytes=MAX_BYTES)
    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=MAX_BYTES)
    app.add_middleware(RequestMiddleware, metrics=metrics, max_upload_bytes=MAX_BYTES)

    @app.get("/fine/{name}")
    async def fine(name: str, n: int = 0):
        return {"name": name}

    @app.get("/corrupt")
    async def corrupt():
        raise MediaCorrupt("it is broken")

    @app.get("/crash")
    async def crash():
        raise RuntimeError("secret text")

    @app.get("/late")
    async def late():
        async def body():
            yield b"begun"
            raise RuntimeError("secret text")

        return StreamingResponse(body())

    @app.post("/echo")
    async def echo(request: Request):
        return {"size": len(await request.body())}

    return app


def send(app, method, path, **arguments):
    async def scenario():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, **arguments)

    return asyncio.run(scenario())


def test_well_formed_request_id_is_kept(app):
    response = send(app, "GET", "/fine/a", headers={"X-Request-ID": "job-17.a_B"})
    assert response.headers["x-request-id"] == "job-17.a_B"


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "<script>", "-rf", "naïve".encode(), '"'])
def test_other_request_ids_are_replaced(app, given):
    response = send(app, "GET", "/fine/a", headers={"X-Request-ID": given})
    assert len(response.headers["x-request-id"]) == 32


def test_problem_names_the_request_id(app):
    response = send(app, "GET", "/corrupt", headers={"X-Request-ID": "abc"})
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["request_id"] == "abc"
    assert response.json()["code"] == "media_corrupt"


@pytest.mark.parametrize("path", ["/fine/a", "/corrupt", "/crash", "/nowhere"])
def test_every_answer_has_the_security_headers_and_no_cors(app, path):
    headers = send(app, "GET", path, headers={"Origin": "https://elsewhere.example"}).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert not [name for name in headers if name.startswith("access-control")]


def test_unexpected_exception_is_a_500_problem_without_its_text(app, caplog):
    response = send(app, "GET", "/crash")
    assert response.status_code == 500
    assert response.json()["code"] == "internal"
    assert "secret" not in response.text
    assert "secret text" in caplog.text


def test_exception_after_the_answer_has_begun_breaks_the_connection(app):
    with pytest.raises(RuntimeError):
        send(app, "GET", "/late")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [("GET", "/nowhere", 404, "not_found"), ("DELETE", "/fine/a", 405, "method_not_allowed")],
)
def test_answers_of_the_framework_are_problems(app, method, path, status, code):
    response = send(app, method, path)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == code


def test_parameters_that_do_not_fit_are_listed(app):
    response = send(app, "GET", "/fine/a", params={"n": "many"})
    assert response.status_code == 422
    assert response.json()["code"] == "invalid_request"
    assert response.json()["errors"][0]["pointer"] == "/query/n"


def test_large_content_length_is_a_problem_not_plain_text(app):
    response = send(app, "POST", "/echo", content=b"x" * (MAX_BYTES + 1))
    assert response.status_code == 413
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert (problem["code"], problem["limit"]) == ("upload_too_large", MAX_BYTES)
    assert int(response.headers["content-length"]) == len(response.content)


def test_large_chunked_body_is_the_same_problem(app):
    async def chunks():
        for _ in range(5):
            yield b"x" * 400

    response = send(app, "POST", "/echo", content=chunks())
    assert response.status_code == 413
    assert response.json()["code"] == "upload_too_large"


def test_body_below_the_limit_passes(app):
    assert send(app, "POST", "/echo", content=b"x" * MAX_BYTES).json() == {"size": MAX_BYTES}


def test_requests_are_counted_by_route_not_by_path(app, metrics):
    for path in ("/fine/a", "/fine/b", "/nowhere", "/elsewhere"):
        send(app, "GET", path)
    count = metrics.registry.get_sample_value
    name = "earsight_http_requests_total"
    assert count(name, {"route": "/fine/{name}", "method": "GET", "status": "200"}) == 2
    assert count(name, {"route": "unmatched", "method": "GET", "status": "404"}) == 2
    assert "/nowhere" not in metrics.render().decode()


def test_unknown_methods_share_one_label(app, metrics):
    send(app, "BREW", "/fine/a")
    assert 'method="OTHER"' in metrics.render().decode()
    assert "BREW" not in metrics.render().decode()


def test_problems_are_json_for_any_path(app):
    response = send(app, "GET", '/"><script>%0d%0aX: y')
    assert json.loads(response.text)["status"] == 404
    assert "script" not in response.text
