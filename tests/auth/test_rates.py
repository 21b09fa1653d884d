import math

import pytest

from app.auth.keys import ALL_SCOPES, Identity
from app.auth.rates import Rates, client_of
from app.errors import RateLimited
from app.settings import AuthSettings

START_S = 1_800_000_000.0  # the beginning of a minute and of an hour


@pytest.fixture
def clock(monkeypatch):
    """`clock(seconds)` sets the time since the beginning of an hour."""
    now_s = START_S
    monkeypatch.setattr("time.time", lambda: now_s)

    def set_time(seconds):
        nonlocal now_s
        now_s = START_S + seconds

    return set_time


def key(label):
    return Identity(label, frozenset({"analyze"}), key_id=f"key_{label}")


def visitor(address):
    return Identity("", ALL_SCOPES, address=address)


LAB, OTHER = key("lab"), key("other")


def requests(rates, who, number):
    """How many of so many requests pass."""
    passed = 0
    for _ in range(number):
        try:
            rates.check_request(who)
        except RateLimited:
            continue
        passed += 1
    return passed


def refusal(call, *arguments):
    with pytest.raises(RateLimited) as refused:
        call(*arguments)
    return refused.value


def test_requests_of_one_key_are_limited_and_those_of_others_are_not(clock):
    rates = Rates(AuthSettings(requests_per_minute=3))
    assert requests(rates, LAB, 5) == 3
    assert requests(rates, OTHER, 5) == 3
    error = refusal(rates.check_request, LAB)
    assert (error.limit, error.setting) == (3, "EARSIGHT_AUTH__REQUESTS_PER_MINUTE")


def test_keys_of_one_label_share_its_limit(clock):
    rates = Rates(AuthSettings(requests_per_minute=3))
    assert requests(rates, LAB, 2) == 2
    assert requests(rates, Identity("lab", frozenset({"admin"}), key_id="key_new"), 2) == 1


def test_no_limit_is_no_limit(clock):
    rates = Rates(AuthSettings(requests_per_minute=0, upload_bytes_per_hour=0))
    assert requests(rates, LAB, 2000) == 2000
    rates.count_upload(LAB, 10**15)


# At 10 s three requests fill the limit of 3. The window before counts 3 * (60 - t) / 60 at t seconds into the
# next minute: below 3 right after its beginning, below 2 after 20 s, below 1 after 40 s.
@pytest.mark.parametrize(("seconds", "free"), [(10, 0), (59.9, 0), (60.1, 1), (79.9, 1), (80.1, 2), (120, 3)])
def test_what_was_used_comes_back_as_the_window_moves(clock, seconds, free):
    rates = Rates(AuthSettings(requests_per_minute=3))
    clock(10)
    assert requests(rates, LAB, 3) == 3
    clock(seconds)
    assert requests(rates, LAB, 4) == free


@pytest.mark.parametrize("seconds", [0.0, 10.0, 59.5, 60.0, 75.3, 119.5])
def test_after_the_wait_that_is_told_a_request_passes_and_just_before_it_does_not(clock, seconds):
    rates = Rates(AuthSettings(requests_per_minute=3))
    requests(rates, LAB, 3)
    clock(seconds)
    requests(rates, LAB, 3)
    wait_s = refusal(rates.check_request, LAB).retry_after_s
    assert 0 < wait_s <= 60.1
    if wait_s > 0.01:
        clock(seconds + wait_s - 0.01)
        refusal(rates.check_request, LAB)
    clock(seconds + math.ceil(wait_s))
    rates.check_request(LAB)


def test_more_uploads_at_the_same_time_are_refused_until_one_ends(clock):
    rates = Rates(AuthSettings(max_concurrent_uploads=2))
    with rates.uploading(LAB):
        with rates.uploading(LAB):
            error = refusal(rates.uploading(LAB).__enter__)
            assert (error.limit, error.setting) == (2, "EARSIGHT_AUTH__MAX_CONCURRENT_UPLOADS")
            with rates.uploading(OTHER):
                pass
        with rates.uploading(LAB):
            pass
    assert not rates._uploads


def test_an_upload_that_fails_gives_its_place_back(clock):
    rates = Rates(AuthSettings(max_concurrent_uploads=1))
    with pytest.raises(OSError, match="gone"), rates.uploading(LAB):
        raise OSError("gone")
    with rates.uploading(LAB):
        pass


def test_bytes_of_an_hour_are_limited_and_come_back(clock):
    rates = Rates(AuthSettings(upload_bytes_per_hour=1000))
    for _ in range(10):
        rates.count_upload(LAB, 100)
    error = refusal(rates.count_upload, LAB, 1)
    assert (error.limit, error.setting) == (1000, "EARSIGHT_AUTH__UPLOAD_BYTES_PER_HOUR")
    rates.count_upload(OTHER, 1000)
    refusal(rates.uploading(LAB).__enter__)
    clock(3600 + 1800)  # half of the 1000 still count
    with rates.uploading(LAB, 500):
        rates.count_upload(LAB, 500)
        refusal(rates.count_upload, LAB, 1)


def test_an_upload_that_is_announced_and_will_not_fit_is_refused_and_costs_nothing(clock):
    rates = Rates(AuthSettings(upload_bytes_per_hour=1000))
    rates.count_upload(LAB, 600)
    refusal(rates.uploading(LAB, 401).__enter__)
    with rates.uploading(LAB, 400):
        rates.count_upload(LAB, 400)
    assert refusal(rates.count_upload, LAB, 1).limit == 1000


# 600 bytes at the beginning; 401 more fit when those count for less than 600, thus right after the hour, and
# 700 more when they count for less than 301: half an hour and 6 s later. 1001 never fit.
@pytest.mark.parametrize(("n_bytes", "wait_s"), [(401, 3600), (700, 3600 + 1794), (1001, 3600)])
def test_the_wait_for_bytes_is_as_long_as_they_need(clock, n_bytes, wait_s):
    rates = Rates(AuthSettings(upload_bytes_per_hour=1000))
    rates.count_upload(LAB, 600)
    assert refusal(rates.count_upload, LAB, n_bytes).retry_after_s == pytest.approx(wait_s, abs=0.01)


def test_clients_that_stay_away_are_forgotten(clock):
    rates = Rates(AuthSettings(upload_bytes_per_hour=1000))
    for number in range(5):
        rates.check_request(visitor(f"192.0.2.{number}"))
        rates.count_upload(visitor(f"192.0.2.{number}"), 10)
    clock(3 * 3600)
    rates.check_request(LAB)
    rates._storage.timer.join()
    assert len(rates._storage.storage) == 1


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (visitor("192.0.2.1"), visitor("192.0.2.2"), False),
        (visitor("192.0.2.1"), visitor("::ffff:192.0.2.1"), True),
        (visitor("2001:db8::1"), visitor("2001:db8::ffff:2"), True),
        (visitor("2001:db8::1"), visitor("2001:db8:0:1::1"), False),
        (visitor(""), visitor("testclient"), False),
        (key("192.0.2.1"), visitor("192.0.2.1"), False),
    ],
)
def test_who_counts_as_one_client(one, other, same):
    assert (client_of(one) == client_of(other)) is same
