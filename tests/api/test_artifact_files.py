import pytest
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

from app.api.artifact_files import asked_range

ETAG = '"abc"'


def ask(**headers):
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return asked_range(Headers(raw=raw), size_bytes=100, etag=ETAG)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("bytes=0-9", (0, 10)),
        ("bytes=10-", (10, 100)),
        ("bytes=99-99", (99, 100)),
        ("bytes=90-1000", (90, 100)),
        ("bytes=-30", (70, 100)),
        ("bytes=-1000", (0, 100)),
    ],
)
def test_a_range_within_the_file_is_taken(value, expected):
    assert ask(range=value) == expected


@pytest.mark.parametrize(
    "value",
    ["", "bytes=", "bytes=-", "bytes=9-0", "bytes=0-1,5-6", "lines=0-9", "bytes=a-b", "bytes=0-9" + "9" * 30],
)
def test_what_may_be_ignored_asks_for_all(value):
    assert ask(range=value) is None


@pytest.mark.parametrize("value", ["bytes=100-", "bytes=1000-2000", "bytes=-0"])
def test_a_range_outside_of_the_file_is_416_and_tells_its_size(value):
    with pytest.raises(HTTPException) as caught:
        ask(range=value)
    assert caught.value.status_code == 416
    assert caught.value.headers == {"Content-Range": "bytes */100"}


@pytest.mark.parametrize("given", ['"other"', 'W/"abc"', "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_if_range_with_another_version_asks_for_all(given):
    assert ask(range="bytes=0-9", if_range=given) is None


def test_if_range_with_this_version_asks_for_the_range():
    assert ask(range="bytes=0-9", if_range=ETAG) == (0, 10)
