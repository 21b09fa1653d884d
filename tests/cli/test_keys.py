import re
import sys

import pytest

from app import cli
from app.auth.key_file import create_key, read_keys
from app.auth.keys import KeyRing
from tests.command_line import run_main


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys.json"


@pytest.fixture
def keys(path, monkeypatch, capsys):
    """Runs `earsight keys` in this process; returns (exit code, standard output, standard error)."""
    monkeypatch.setenv("EARSIGHT_AUTH__KEYS_FILE", str(path))

    def run(*arguments):
        return run_main(cli.main, "earsight", "keys", *arguments, monkeypatch=monkeypatch, capsys=capsys)

    return run


def test_create_prints_a_key_that_is_valid_and_nothing_else_on_standard_output(keys, path):
    code, out, err = keys("create", "--label", "lab")
    assert code == 0
    key = out.removesuffix("\n")
    assert re.fullmatch(r"esk_[A-Za-z0-9_-]{43}", key)
    who = KeyRing(path).identify(key)
    assert (who.label, who.scopes) == ("lab", {"analyze"})
    assert who.key_id in err
    assert key not in err


def test_scopes_can_be_given_several_times(keys, path):
    assert keys("create", "--label", "lab", "--scope", "analyze", "--scope", "metrics")[0] == 0
    (record,) = read_keys(path)
    assert record.scopes == ("analyze", "metrics")


@pytest.mark.parametrize(
    "arguments",
    [("create",), ("create", "--label", "a b"), ("create", "--label", "lab", "--scope", "all"), ("revoke",)],
)
def test_misuse_is_told_and_makes_no_key(keys, path, arguments):
    code, out, err = keys(*arguments)
    assert (code, out) == (2, "")
    assert err
    assert not path.exists()


def test_list_shows_every_key_by_its_id_and_revoke_takes_it_away(keys, path):
    secrets = [create_key(path, label="lab", scopes=("analyze", "admin"))[0] for _ in range(2)]
    first, second = read_keys(path)
    code, out, _ = keys("list")
    assert code == 0
    for record in (first, second):
        assert record.id in out
        assert record.sha256 not in out
    assert "analyze, admin" in out
    assert not [secret for secret in secrets if secret in out]
    assert keys("revoke", first.id)[:2] == (0, f"{first.id} of lab revoked\n")
    out = keys("list")[1]
    assert first.id not in out
    assert second.id in out


def test_revoking_what_is_not_there_is_an_error(keys, path):
    create_key(path, label="lab", scopes=("analyze",))
    code, _, err = keys("revoke", "key_unknown")
    assert code == 2
    assert "not_found" in err
    assert len(read_keys(path)) == 1


@pytest.mark.parametrize("arguments", [("create", "--label", "lab"), ("list",), ("revoke", "key_1")])
def test_without_a_file_named_the_setting_is_told(keys, monkeypatch, arguments):
    monkeypatch.delenv("EARSIGHT_AUTH__KEYS_FILE")
    code, _, err = keys(*arguments)
    assert code == 2
    assert "EARSIGHT_AUTH__KEYS_FILE" in err


def test_serving_openly_without_keys_is_refused_with_a_message(keys, monkeypatch, capsys):
    monkeypatch.delenv("EARSIGHT_AUTH__KEYS_FILE")
    monkeypatch.setattr(sys, "argv", ["earsight", "serve", "--host", "0.0.0.0"])
    with pytest.raises(SystemExit, match="2"):
        cli.main()
    err = capsys.readouterr().err
    assert "EARSIGHT_AUTH__KEYS_FILE" in err
    assert "EARSIGHT_AUTH__ALLOW_ANONYMOUS" in err
