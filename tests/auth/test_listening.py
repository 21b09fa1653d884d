from pathlib import Path

import pytest

from app.auth.listening import check_listening
from app.errors import InvalidRequest
from app.inference.registry import BundleRegistry
from app.settings import AuthSettings, ServerSettings, Settings
from app.start import start

OPEN = ["0.0.0.0", "::", "", "192.0.2.1", "earsight.example", "127.0.0.1.example"]


def settings(host, **auth):
    return Settings(server=ServerSettings(host=host), auth=AuthSettings(**auth))


@pytest.mark.parametrize("host", OPEN)
def test_an_open_address_without_keys_is_refused_and_both_ways_out_are_named(host):
    with pytest.raises(InvalidRequest) as refused:
        check_listening(settings(host))
    assert "EARSIGHT_AUTH__KEYS_FILE" in refused.value.detail
    assert "EARSIGHT_AUTH__ALLOW_ANONYMOUS" in refused.value.detail


@pytest.mark.parametrize("host", OPEN)
@pytest.mark.parametrize("auth", [{"keys_file": Path("keys.json")}, {"allow_anonymous": True}])
def test_an_open_address_is_allowed_with_keys_or_if_told_to(host, auth):
    check_listening(settings(host, **auth))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost"])
def test_this_machine_alone_needs_no_keys(host):
    check_listening(settings(host))


def test_serving_begins_with_the_check(monkeypatch):
    monkeypatch.setattr(BundleRegistry, "load_ahead", lambda _: pytest.fail("went on"))
    with pytest.raises(InvalidRequest, match="will not listen on '0\\.0\\.0\\.0'"):
        start(settings("0.0.0.0"))
