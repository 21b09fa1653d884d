import pytest

from app.api.negotiation import choose_format
from app.errors import NotAcceptable

TYPES = {
    "json": "application/json",
    "ndjson": "application/x-ndjson",
    "npz": "application/x-npz",
    "overlay": "video/mp4",
}


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, "json"),
        ("", "json"),
        ("*/*", "json"),
        ("application/*", "json"),
        ("video/mp4", "overlay"),
        ("video/*", "overlay"),
        ("application/x-ndjson", "ndjson"),
        ("application/jsonl", "ndjson"),
        ("application/x-npz", "npz"),
        ("application/json;q=0.2, video/mp4;q=0.7", "overlay"),
        ("video/mp4;q=0.2, application/json;q=0.7", "json"),
        ("application/x-ndjson, application/json", "json"),
        ("application/json;q=0, */*;q=0.1", "ndjson"),
        ("text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8", "json"),
    ],
)
def test_accept_header_chooses_by_quality(accept, expected):
    assert choose_format(accept, wanted=None, media_types=TYPES) == expected


def test_named_format_wins_over_the_header():
    assert choose_format("application/json", wanted="npz", media_types=TYPES) == "npz"


@pytest.mark.parametrize("accept", ["text/html", "image/png, text/*", "video/mp4;q=0", "nonsense"])
def test_header_that_excludes_all_formats_is_refused(accept):
    with pytest.raises(NotAcceptable) as caught:
        choose_format(accept, wanted=None, media_types=TYPES)
    assert caught.value.code == "not_acceptable"


def test_unknown_name_is_refused_with_the_names_there_are():
    with pytest.raises(NotAcceptable, match="overlay") as caught:
        choose_format("*/*", wanted="avi\r\nX: y", media_types=TYPES)
    assert "\r" not in caught.value.detail
