import hashlib
import json
import re
import threading

import pytest

from app.auth import key_file
from app.auth.key_file import create_key, read_keys, revoke_key
from app.errors import InvalidRequest, NotFound


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys.json"


def test_a_key_is_256_bits_in_43_characters_and_only_its_hash_is_kept(path):
    key, record = create_key(path, label="lab", scopes=("analyze",))
    assert re.fullmatch(r"esk_[A-Za-z0-9_-]{43}", key)
    assert record.sha256 == hashlib.sha256(key.encode()).hexdigest()
    text = path.read_text()
    assert key not in text
    (stored,) = json.loads(text)["keys"]
    assert set(stored) == {"id", "label", "sha256", "scopes", "created"}
    assert read_keys(path) == (record,)


def test_a_new_file_is_for_its_owner_only_and_nothing_lies_beside_it(path):
    create_key(path, label="lab", scopes=("analyze",))
    create_key(path, label="lab", scopes=("analyze",))
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["keys.json"]


def test_a_mode_that_lets_the_service_read_stays(path):
    _, record = create_key(path, label="lab", scopes=("analyze",))
    path.chmod(0o640)
    revoke_key(path, record.id)
    assert path.stat().st_mode & 0o777 == 0o640


def test_keys_of_one_label_stand_beside_each_other_until_one_is_revoked(path):
    _, old = create_key(path, label="lab", scopes=("analyze",))
    _, new = create_key(path, label="lab", scopes=("analyze",))
    assert [record.id for record in read_keys(path)] == [old.id, new.id]
    assert revoke_key(path, old.id) == old
    assert read_keys(path) == (new,)
    with pytest.raises(NotFound, match=old.id):
        revoke_key(path, old.id)


@pytest.mark.parametrize("label", ["", "a b", "x" * 65, "a/b", "lab\n", "größe"])
def test_a_label_that_could_not_stand_in_a_log_or_a_name_is_refused(path, label):
    with pytest.raises(InvalidRequest, match="label"):
        create_key(path, label=label, scopes=("analyze",))
    assert not path.exists()


def test_keys_created_at_the_same_time_are_all_kept(path):
    threads = [
        threading.Thread(target=create_key, args=(path,), kwargs={"label": f"l{n}", "scopes": ("analyze",)})
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {record.label for record in read_keys(path)} == {f"l{n}" for n in range(8)}


def test_a_write_that_fails_leaves_the_file_as_it_was(path, monkeypatch):
    _, record = create_key(path, label="lab", scopes=("analyze",))

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(key_file.os, "fsync", full)
    with pytest.raises(InvalidRequest, match="No space left"):
        create_key(path, label="other", scopes=("analyze",))
    assert read_keys(path) == (record,)
    assert [entry.name for entry in path.parent.iterdir()] == ["keys.json"]


RECORD = {
    "id": "key_1",
    "label": "lab",
    "sha256": "0" * 64,
    "scopes": ["analyze"],
    "created": "2026-01-01T00:00:00Z",
}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        json.dumps({"keys": [RECORD | {"scopes": ["everything"]}]}),
        json.dumps({"keys": [RECORD | {"scopes": []}]}),
        json.dumps({"keys": [RECORD | {"label": "a b"}]}),
        json.dumps({"keys": [RECORD | {"extra": 1}]}),
        json.dumps({"keys": [RECORD | {"created": "2026-01-01T00:00:00"}]}),
    ],
)
def test_a_broken_file_is_refused_with_its_name_and_the_setting(path, content):
    path.write_text(content)
    with pytest.raises(InvalidRequest, match=re.escape(str(path))) as refused:
        read_keys(path)
    assert refused.value.setting == "EARSIGHT_AUTH__KEYS_FILE"


def test_a_key_pasted_in_place_of_its_hash_is_not_shown(path):
    path.write_text(json.dumps({"keys": [RECORD | {"sha256": "esk_secret"}]}))
    with pytest.raises(InvalidRequest, match="keys/0/sha256") as refused:
        read_keys(path)
    assert "esk_secret" not in refused.value.detail
    assert refused.value.__cause__ is None


def test_a_directory_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InvalidRequest, match="No such file"):
        create_key(tmp_path / "nowhere" / "keys.json", label="lab", scopes=("analyze",))
