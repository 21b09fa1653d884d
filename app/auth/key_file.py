"""The file of API keys: what `earsight keys` writes and the service reads.

It holds hashes only. A key is 256 random bits, so a plain SHA-256 of it cannot be turned back by guessing,
and needs no salt.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from ulid import ULID

from app.errors import InvalidRequest, NotFound
from app.results.replacing import replacing

Scope = Literal["analyze", "metrics", "admin"]
Label = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]

KEYS_FILE_SETTING = "EARSIGHT_AUTH__KEYS_FILE"

_KEY_PREFIX = "esk_"
_KEY_BYTES = 32
_NEW_FILE_MODE = 0o600


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class KeyRecord(_Document):
    """What is kept of a key. Several may have one label, so that a new one can take over from an old one.

    Attributes:
        id: names the record, to revoke it; no secret.
        label: whose key it is.
        sha256: of the key, as hexadecimal digits.
        scopes: what it may be used for; `admin` includes the others.
    """

    id: str = Field(min_length=1)
    label: Label
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    scopes: tuple[Scope, ...] = Field(min_length=1)
    created: AwareDatetime


class _KeyFile(_Document):
    keys: tuple[KeyRecord, ...]


def digest_of(key: str) -> str:
    """SHA-256 of a key, as hexadecimal digits."""
    return hashlib.sha256(key.encode()).hexdigest()


def read_keys(path: Path) -> tuple[KeyRecord, ...]:
    """The records of the file. Raises InvalidRequest, without showing values, when it cannot be used."""
    try:
        return _KeyFile.model_validate_json(path.read_bytes()).keys
    except OSError as error:
        raise _unusable(path, error.strerror or type(error).__name__) from error
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = "/".join(str(part) for part in first["loc"])
        # The error itself shows what it was given, which may be a key pasted into the wrong place.
        raise _unusable(path, f"{place}: {first['msg']}" if place else first["msg"]) from None


def create_key(path: Path, *, label: str, scopes: tuple[Scope, ...]) -> tuple[str, KeyRecord]:
    """Add a new key to the file, which is made if it is not there.

    Returns the key, which is kept nowhere, and its record. Raises InvalidRequest for a bad label, or when
    the file cannot be used.
    """
    key = _KEY_PREFIX + secrets.token_urlsafe(_KEY_BYTES)
    try:
        record = KeyRecord(
            id=f"key_{ULID()}", label=label, sha256=digest_of(key), scopes=scopes, created=datetime.now(UTC)
        )
    except ValidationError:
        raise InvalidRequest("a label has 1 to 64 letters, digits, dots, dashes or underscores") from None
    with _changing(path):
        _write(path, (*(read_keys(path) if path.exists() else ()), record))
    return key, record


def revoke_key(path: Path, key_id: str) -> KeyRecord:
    """Take a key out of the file. Raises NotFound, or InvalidRequest when the file cannot be used."""
    with _changing(path):
        records = read_keys(path)
        revoked = next((record for record in records if record.id == key_id), None)
        if revoked is None:
            raise NotFound(f"there is no key {key_id!r} in {path}")
        _write(path, tuple(record for record in records if record.id != key_id))
    return revoked


@contextmanager
def _changing(path: Path) -> Iterator[None]:
    """One change at a time: a key revoked must not come back with another one that is created just then."""
    try:
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise _unusable(path, error.strerror or type(error).__name__) from error
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


def _write(path: Path, records: tuple[KeyRecord, ...]) -> None:
    """Replace the file at once; mode and owner stay, so that a service of another user can go on reading."""
    try:
        before = path.stat() if path.exists() else None
        with replacing(path) as part:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _NEW_FILE_MODE)
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write(_KeyFile(keys=records).model_dump_json(indent=2) + "\n")
                stream.flush()
                if before is not None:
                    os.fchown(descriptor, before.st_uid, before.st_gid)
                    os.fchmod(descriptor, before.st_mode & 0o777)
                os.fsync(descriptor)
    except OSError as error:
        raise _unusable(path, error.strerror or type(error).__name__) from error


def _unusable(path: Path, reason: str) -> InvalidRequest:
    return InvalidRequest(f"the file of API keys {path} cannot be used: {reason}", setting=KEYS_FILE_SETTING)
