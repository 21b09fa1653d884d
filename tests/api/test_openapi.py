import pytest

from app.api.openapi import RESULT_EXAMPLE
from app.api.problems import STATUS
from app.api.schemas import ResultDocument
from app.results.formats import FORMATS

JOBS_ONLY = {410}


@pytest.fixture
def document(ask):
    return ask("GET", "/openapi.json").json()


def test_example_is_a_result():
    assert ResultDocument.model_validate(RESULT_EXAMPLE).frames


@pytest.mark.parametrize("path", ["/v1/localize", "/v1/detect", "/v1/explain", "/v1/analyze"])
def test_analysis_is_described_with_its_body_its_formats_and_its_problems(document, path):
    operation = document["paths"][path]["post"]
    form = operation["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["required"] == ["file"]
    assert set(form["properties"]) == {"file", "audio", "fps", "model", "format", "group_by", "target"}
    assert {parameter["name"] for parameter in operation["parameters"]} == {
        "fps",
        "model",
        "format",
        "group_by",
        "target",
        "Prefer",
        "Idempotency-Key",
    }
    content = operation["responses"]["200"]["content"]
    assert set(content) == {entry.media_type for entry in FORMATS.values()}
    assert content["application/json"]["schema"]["$ref"].endswith("/ResultDocument")
    described = {int(status) for status in operation["responses"] if status >= "400"}
    assert described == set(STATUS.values()) - {500} - JOBS_ONLY


def test_every_problem_response_refers_to_the_schema(document):
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                if path.startswith("/v1") and status >= "400":
                    (content,) = response["content"].items()
                    assert content[0] == "application/problem+json", (path, status)
                    assert content[1]["schema"] == {"$ref": "#/components/schemas/Problem"}


def test_every_route_says_whether_it_wants_a_key(document):
    """And a key may come in either of two headers: each alternative is an entry of its own."""
    assert set(document["components"]["securitySchemes"]) == {"bearer", "X-API-Key"}
    open_to_all = set()
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if "security" not in operation:
                open_to_all.add(path)
                continue
            assert operation["security"] == [{"bearer": []}, {"X-API-Key": []}], path
            assert {"401", "403", "429"} <= set(operation["responses"]), path
    assert open_to_all == {"/livez", "/readyz"}


def test_every_reference_leads_somewhere(document):
    def references(node):
        if isinstance(node, dict):
            yield from ([node["$ref"]] if "$ref" in node else [])
            for value in node.values():
                yield from references(value)
        elif isinstance(node, list):
            for value in node:
                yield from references(value)

    for reference in references(document):
        assert reference.rpartition("/")[2] in document["components"]["schemas"], reference


def test_pages_that_would_load_scripts_from_elsewhere_are_off(ask):
    assert ask("GET", "/docs").status_code == 404
    assert ask("GET", "/redoc").status_code == 404
