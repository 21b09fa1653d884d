"""Who sends a request: API keys against the file that `earsight keys` writes."""

from __future__ import annotations

import hmac
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from app.auth.key_file import KeyRecord, Scope, digest_of, read_keys
from app.errors import InvalidRequest, Unauthorized
from app.settings import AuthSettings

logger = logging.getLogger(__name__)

ALL_SCOPES: frozenset[Scope] = frozenset(get_args(Scope))

_Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who sends a request.

    Attributes:
        label: of the API key; "" without keys. What a client makes belongs to its label.
        scopes: what it may do.
        key_id: of the key; None without keys.
        address: the client's, as far as the server can see it.
    """

    label: str
    scopes: frozenset[Scope]
    key_id: str | None = None
    address: str = ""

    @property
    def anonymous(self) -> bool:
        return self.key_id is None

    def may(self, scope: Scope) -> bool:
        """Whether it has the scope; `admin` includes all of them."""
        return scope in self.scopes or "admin" in self.scopes


class KeyRing:
    """The keys that are valid now: the file is read again as soon as it has changed.

    A file that has become unreadable is complained about in the log, and the keys that were read last stay
    valid until it can be read again.
    """

    def __init__(self, file: Path | None) -> None:
        """Raises InvalidRequest when there shall be keys and the file cannot be used."""
        self._file = file
        self._records: tuple[KeyRecord, ...] = ()
        self._read: _Stamp | None = None
        self._complaint: str | None = None
        if file is not None:
            self._read = _stamp(file)
            self._records = read_keys(file)

    @classmethod
    def from_settings(cls, settings: AuthSettings) -> KeyRing:
        return cls(settings.keys_file)

    def identify(self, key: str | None, *, address: str = "") -> Identity:
        """Whose key it is; without a file of keys everybody is anonymous and may do all.

        Raises Unauthorized when the key is missing or not valid.
        """
        if self._file is None:
            return Identity(label="", scopes=ALL_SCOPES, address=address)
        self._refresh(self._file)
        if not key:
            raise Unauthorized("send an API key, as `Authorization: Bearer KEY` or as `X-API-Key: KEY`")
        record = self._find(digest_of(key))
        if record is None:
            raise Unauthorized("the API key is not valid")
        return Identity(record.label, frozenset(record.scopes), key_id=record.id, address=address)

    def _refresh(self, file: Path) -> None:
        stamp = _stamp(file)
        if stamp is not None and stamp == self._read:
            return
        try:
            records = read_keys(file)
        except InvalidRequest as error:
            if error.detail != self._complaint:
                logger.error("keys_file_unusable", extra={"code": error.code, "detail": error.detail})
            self._complaint = error.detail
            return
        self._records, self._read, self._complaint = records, stamp, None
        logger.info("keys_read", extra={"keys": len(records)})

    def _find(self, digest: str) -> KeyRecord | None:
        """All records are compared, each in constant time, so that the time tells nothing about them."""
        found = None
        for record in self._records:
            if hmac.compare_digest(record.sha256, digest):
                found = record
        return found


def _stamp(file: Path) -> _Stamp | None:
    """Differs whenever the file was replaced or written; None if it cannot be told."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
