import base64
import io
import json

import numpy as np
import pytest

from app.api.schemas import Explanation, Frame, Problem, ResultDocument, ResultHead

EXPLAIN = "/v1/explain?model=tiny-explain"


@pytest.fixture
def clip(make_clip):
    """Two seconds; the square goes from left to right, the tone is heard in the second half."""
    return make_clip(bursts=((1.0, 2.0),))


def upload(path):
    return {"file": (path.name, path.read_bytes())}


def test_the_moment_of_the_sound_explains_the_event(ask, clip):
    response = ask("POST", EXPLAIN, files=upload(clip))
    assert response.status_code == 200
    result = ResultDocument.model_validate_json(response.content)
    (explanation,) = result.explanations
    assert explanation.event.label == "Tone"
    assert explanation.reason is None
    assert sum(explanation.when_audio[:1]) < 0.01 < 0.8 < sum(explanation.when_audio[2:])
    rows, columns = explanation.where.grid
    where = np.frombuffer(base64.b64decode(explanation.where.data), np.uint8)
    assert where.size == len(explanation.time_s) * rows * columns
    assert where.max() == 255
    assert (where * explanation.where.scale[1] / 255).sum() == pytest.approx(1, abs=0.05)


def test_an_event_can_be_asked_for_in_the_form_or_the_query(ask, clip):
    for place in ({"data": {"target": "music"}}, {"params": {"model": "tiny-explain", "target": "MUSIC"}}):
        result = ask("POST", EXPLAIN, files=upload(clip), **place).json()
        assert [entry["event"]["label"] for entry in result["explanations"]] == ["Music"]


@pytest.mark.parametrize("format_", ["json", "ndjson"])
def test_an_unknown_event_names_three_that_are_near(ask, clip, scratch, format_):
    response = ask("POST", f"{EXPLAIN}&format={format_}", files=upload(clip), data={"target": "Tune"})
    problem = Problem.model_validate_json(response.content)
    assert (problem.status, problem.code) == (422, "invalid_request")
    assert "there is no event 'Tune'; near it: Tone, " in problem.detail
    assert not list(scratch.iterdir())


def test_a_target_needs_the_task(ask, clip):
    response = ask("POST", "/v1/localize?model=tiny-explain&target=Tone", files=upload(clip))
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
    assert "a target needs the task explain" in response.json()["detail"]


def test_ndjson_has_a_line_for_each_explanation(ask, clip):
    response = ask("POST", f"{EXPLAIN}&format=ndjson", files=upload(clip))
    head, *lines, last = [json.loads(line) for line in response.text.splitlines()]
    (explanation,) = [line for line in lines if "heatmap" not in line]
    assert explanation.pop("kind") == "explanation"
    whole = ask("POST", EXPLAIN, files=upload(clip)).json()
    assert explanation == whole["explanations"][0]
    assert Explanation.model_validate(explanation).event.label == "Tone"
    assert all(Frame.model_validate(line) for line in lines if "heatmap" in line)
    assert all(ResultHead.model_validate(line) for line in (head, last))


def test_npz_holds_the_weights(ask, clip):
    response = ask("POST", f"{EXPLAIN}&format=npz", files=upload(clip))
    with np.load(io.BytesIO(response.content), allow_pickle=False) as archive:
        assert archive["where"].shape == (len(archive["explain_time_s"]), 4, 4)
        assert archive["where"].sum() == pytest.approx(1, abs=1e-4)


def test_analyze_explains_if_the_bundle_can(ask, clip):
    assert ask("POST", "/v1/analyze?model=tiny-explain", files=upload(clip)).json()["explanations"]
    assert ask("POST", "/v1/analyze", files=upload(clip)).json()["explanations"] is None


def test_in_a_clip_without_sound_nothing_is_explained(ask, make_clip):
    result = ask("POST", EXPLAIN, files=upload(make_clip(audio=None))).json()
    assert result["explanations"] == []
    assert [warning["code"] for warning in result["warnings"]] == ["no_audio"]


@pytest.mark.parametrize("format_", ["json", "ndjson"])
def test_a_bundle_that_does_not_explain_says_what_it_offers(ask, clip, scratch, format_):
    response = ask("POST", f"/v1/explain?format={format_}", files=upload(clip))
    problem = Problem.model_validate_json(response.content)
    assert (problem.status, problem.code) == (422, "invalid_request")
    assert "the bundle tiny offers localize; asked for: explain" in problem.detail
    assert not list(scratch.iterdir())
