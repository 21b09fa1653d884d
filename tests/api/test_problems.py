import inspect
import json
import logging

import pytest

from app import errors
from app.api import problems
from app.api.schemas import PROBLEM_EXAMPLE, Problem

EXPECTED = {
    "invalid_request": 422,
    "not_found": 404,
    "not_acceptable": 406,
    "unauthorized": 401,
    "forbidden": 403,
    "rate_limited": 429,
    "idempotency_mismatch": 422,
    "idempotency_in_progress": 409,
    "result_not_ready": 409,
    "no_result": 409,
    "result_expired": 410,
    "upload_too_large": 413,
    "upload_timeout": 408,
    "unsupported_media": 415,
    "media_corrupt": 422,
    "no_video_stream": 422,
    "no_audio_stream": 422,
    "limits_exceeded": 422,
    "decode_timeout": 422,
    "overloaded": 503,
    "model_not_ready": 503,
    "store_unavailable": 503,
    "no_space": 503,
    "deadline_exceeded": 500,
    "worker_lost": 500,
    "canceled": 503,
    "invalid_bundle": 500,
    "internal": 500,
}


def every_error():
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]
    return [kind for kind in kinds if issubclass(kind, errors.EarsightError)]


@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
def test_every_error_has_the_status_of_its_code(kind):
    assert problems.status_of(kind("detail")) == EXPECTED[kind.code]


@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
def test_every_error_is_named_with_its_code_in_the_tree_of_the_docstring(kind):
    assert kind.__name__ in errors.__doc__
    assert kind.code in errors.__doc__


def test_document_is_a_problem_with_limit_and_setting():
    error = errors.LimitExceeded("too long", limit=600.0, setting="EARSIGHT_LIMITS__MAX_DURATION_S")
    problem = Problem.model_validate(problems.error_document(error))
    assert (problem.status, problem.code, problem.detail) == (422, "limits_exceeded", "too long")
    assert (problem.limit, problem.setting) == (600.0, "EARSIGHT_LIMITS__MAX_DURATION_S")


def test_document_without_a_limit_has_no_empty_members():
    assert {"limit", "setting", "errors"}.isdisjoint(problems.error_document(errors.NotFound("x")))


def test_example_of_the_api_description_is_a_problem():
    assert Problem.model_validate(PROBLEM_EXAMPLE).code == "limits_exceeded"


@pytest.mark.parametrize("kind", [errors.InternalError, errors.BundleError, errors.EarsightError])
def test_inner_failures_are_logged_and_not_told(kind, caplog):
    with caplog.at_level(logging.ERROR):
        response = problems.error_response(kind("/srv/secret/model.onnx failed"))
    assert response.status_code == 500
    assert b"secret" not in response.body
    assert "secret" in caplog.text


def test_unavailable_says_when_to_come_back():
    response = problems.error_response(errors.Overloaded("full"))
    assert int(response.headers["retry-after"]) > 0
    assert response.media_type == "application/problem+json"


@pytest.mark.parametrize("kind", [errors.Overloaded, errors.RateLimited])
@pytest.mark.parametrize(("retry_after_s", "header"), [(None, "5"), (0.2, "1"), (12.0, "12"), (59.3, "60")])
def test_wait_that_is_known_is_told_in_whole_seconds(kind, retry_after_s, header):
    response = problems.error_response(kind("full", retry_after_s=retry_after_s))
    assert response.headers["retry-after"] == header


def test_unauthorized_names_the_scheme():
    assert problems.error_response(errors.Unauthorized("no key")).headers["www-authenticate"] == "Bearer"
    assert "www-authenticate" not in problems.error_response(errors.Forbidden("scope")).headers


def test_slow_client_is_hung_up_on():
    assert problems.error_response(errors.UploadTimeout("slow")).headers["connection"] == "close"


def test_client_text_cannot_break_out_of_the_document():
    hostile = 'x"}\r\n<script>\u2028'
    body = problems.error_response(errors.InvalidRequest(hostile)).body
    assert json.loads(body)["detail"] == hostile
    assert b"\r\n" not in body
