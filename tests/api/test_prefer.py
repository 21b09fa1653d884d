import pytest
from starlette.datastructures import Headers

from app.api.prefer import Preferences, preferences_of


@pytest.mark.parametrize(
    ("sent", "respond_async", "wait_s"),
    [
        ([], False, None),
        (["respond-async"], True, None),
        (["Respond-Async, wait=10"], True, 10),
        (["respond-async", "wait=10"], True, 10),
        (['wait="7"; foo=bar'], False, 7),
        (["wait=3, wait=9"], False, 3),
        (["wait=3600"], False, 30),
        (["wait=99999999999999999999"], False, 30),
        (["wait=-1"], False, None),
        (["wait=1.5"], False, None),
        (["wait"], False, None),
        (["handling=lenient, , =;"], False, None),
    ],
)
def test_prefer_header_is_read_as_rfc_7240_wants_it(sent, respond_async, wait_s):
    headers = Headers(raw=[(b"prefer", value.encode()) for value in sent])
    assert preferences_of(headers) == Preferences(respond_async, wait_s)


@pytest.mark.parametrize(
    ("preferences", "applied"),
    [
        (Preferences(), {}),
        (Preferences(True), {"Preference-Applied": "respond-async"}),
        (Preferences(True, 0), {"Preference-Applied": "respond-async, wait=0"}),
        (Preferences(wait_s=5), {"Preference-Applied": "wait=5"}),
    ],
)
def test_what_was_applied_is_told(preferences, applied):
    assert preferences.applied == applied
