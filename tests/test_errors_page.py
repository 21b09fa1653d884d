import re
from pathlib import Path

import pytest

from app.api.problems import status_of
from app.errors import EarsightError, MediaCorrupt, error_kinds
from app.errors_page import WHEN, errors_page

PAGE = Path(__file__).parents[1] / "docs" / "errors.md"
ROWS = {
    code: statuses.split(", ")
    for statuses, code in re.findall(r"^\| ([\d, ]+) \| `(\w+)` \|", errors_page(), re.MULTILINE)
}


def test_errors_page_is_current():
    current = PAGE.read_text(encoding="utf-8")
    assert current == errors_page(), "run: python -m app.errors_page > docs/errors.md"


@pytest.mark.parametrize("kind", error_kinds(), ids=lambda kind: kind.__name__)
def test_every_error_is_listed_with_its_status(kind):
    assert str(status_of(kind("x"))) in ROWS[kind.code] or kind.__subclasses__()
    assert kind.code in ROWS


def test_kinds_are_all_there_down_to_the_leaves():
    assert error_kinds()[0] is EarsightError
    assert MediaCorrupt in error_kinds()


def test_answers_of_the_framework_are_listed():
    assert ROWS["method_not_allowed"] == ["405"]
    assert ROWS["range_not_satisfiable"] == ["416"]
    assert ROWS["invalid_request"] == ["400", "422"]


def test_no_explanation_is_left_of_a_code_that_is_gone():
    assert set(WHEN) == set(ROWS)
