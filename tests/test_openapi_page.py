import json
from pathlib import Path

from app.openapi_page import openapi_page

PAGE = Path(__file__).parents[1] / "docs" / "openapi.json"


def test_openapi_page_is_current():
    """If it is not, look at what `make openapi` changes in it: clients rely on what goes."""
    current = PAGE.read_text(encoding="utf-8")
    assert json.loads(current) == json.loads(openapi_page()), "run: make openapi"
    assert current == openapi_page(), "run: make openapi"


def test_openapi_page_does_not_depend_on_the_machine(monkeypatch, tmp_path):
    before = openapi_page()
    monkeypatch.setenv("EARSIGHT_LIMITS__MAX_UPLOAD_BYTES", "4096")
    monkeypatch.setenv("EARSIGHT_SCRATCH_DIR", str(tmp_path))
    assert openapi_page() == before
