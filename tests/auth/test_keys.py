import hashlib
import logging
import os

import pytest

from app.auth import keys
from app.auth.key_file import create_key, revoke_key
from app.auth.keys import KeyRing
from app.errors import InvalidRequest, Unauthorized
from app.settings import AuthSettings


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys.json"


@pytest.fixture
def key(path):
    return create_key(path, label="lab", scopes=("analyze",))[0]


def test_a_key_tells_label_scopes_and_id(path):
    key, record = create_key(path, label="lab", scopes=("analyze", "metrics"))
    who = KeyRing(path).identify(key, address="192.0.2.1")
    assert (who.label, who.key_id, who.anonymous, who.address) == ("lab", record.id, False, "192.0.2.1")
    assert (who.may("analyze"), who.may("metrics"), who.may("admin")) == (True, True, False)


def test_admin_may_do_all(path):
    key, _ = create_key(path, label="root", scopes=("admin",))
    who = KeyRing(path).identify(key)
    assert (who.may("analyze"), who.may("metrics"), who.may("admin")) == (True, True, True)


@pytest.mark.parametrize("key", [None, "esk_x"])
def test_without_a_file_everybody_is_anonymous_and_may_do_all(key):
    who = KeyRing.from_settings(AuthSettings()).identify(key)
    assert (who.label, who.key_id, who.anonymous) == ("", None, True)
    assert who.may("analyze")
    assert who.may("admin")


@pytest.mark.parametrize("wrong", [None, "", "esk_", "lab", "\xff\xfe", "x" * 10_000])
def test_no_key_and_a_wrong_one_are_refused(path, key, wrong):
    with pytest.raises(Unauthorized):
        KeyRing(path).identify(wrong)


def test_neither_the_hash_nor_a_part_of_a_key_will_do(path, key):
    ring = KeyRing(path)
    for wrong in (hashlib.sha256(key.encode()).hexdigest(), key[:-1], key + "x", key.removeprefix("esk_")):
        with pytest.raises(Unauthorized):
            ring.identify(wrong)
    assert ring.identify(key).label == "lab"


def test_a_file_without_keys_lets_nobody_in(path):
    path.write_text('{"keys": []}')
    with pytest.raises(Unauthorized):
        KeyRing(path).identify("esk_x")


def test_every_hash_is_compared_in_constant_time_and_the_search_does_not_end_early(path, monkeypatch):
    made = [create_key(path, label=f"l{n}", scopes=("analyze",)) for n in range(3)]
    compared = []

    def compare(kept, given):
        compared.append((kept, given))
        return kept == given

    monkeypatch.setattr(keys.hmac, "compare_digest", compare)
    first_key, first = made[0]
    assert KeyRing(path).identify(first_key).label == "l0"
    assert compared == [(record.sha256, first.sha256) for _, record in made]


def test_a_new_key_is_valid_and_a_revoked_one_is_not_without_a_restart(path):
    old, old_record = create_key(path, label="lab", scopes=("analyze",))
    ring = KeyRing(path)
    new, _ = create_key(path, label="lab", scopes=("analyze",))
    assert [ring.identify(key).label for key in (old, new)] == ["lab", "lab"]
    revoke_key(path, old_record.id)
    with pytest.raises(Unauthorized):
        ring.identify(old)
    assert ring.identify(new).label == "lab"


def test_a_file_that_did_not_change_is_not_read_again(path, key, monkeypatch):
    ring = KeyRing(path)

    def read(path):
        raise AssertionError("read again")

    monkeypatch.setattr(keys, "read_keys", read)
    assert ring.identify(key).label == "lab"


@pytest.mark.parametrize("harm", [lambda path: path.write_text("{"), lambda path: path.unlink()])
def test_a_file_that_breaks_leaves_the_last_good_keys_and_one_line_in_the_log(path, key, harm, caplog):
    ring = KeyRing(path)
    good = path.read_bytes()
    harm(path)
    with caplog.at_level(logging.ERROR, "app"):
        for _ in range(3):
            assert ring.identify(key).label == "lab"
    assert [record.message for record in caplog.records] == ["keys_file_unusable"]
    assert str(path) in caplog.records[0].detail
    path.write_bytes(good)
    other, _ = create_key(path, label="other", scopes=("analyze",))
    assert ring.identify(other).label == "other"


def test_a_file_that_could_not_be_read_for_a_moment_is_tried_again_though_it_did_not_change(
    path, key, monkeypatch
):
    ring = KeyRing(path)
    os.utime(path, ns=(1, 1))
    new, _ = create_key(path, label="new", scopes=("analyze",))

    def fail(path):
        raise InvalidRequest("too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(keys, "read_keys", fail)
        with pytest.raises(Unauthorized):
            ring.identify(new)
    assert ring.identify(new).label == "new"


def test_a_file_that_is_broken_or_missing_at_the_start_stops_it(path):
    with pytest.raises(InvalidRequest, match="No such file"):
        KeyRing(path)
    path.write_text("{")
    with pytest.raises(InvalidRequest, match="cannot be used"):
        KeyRing(path)
