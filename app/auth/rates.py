"""How often and how much one client may send. Counted in memory, so by each process for itself."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from app.auth.keys import Identity
from app.errors import RateLimited
from app.settings import AuthSettings

_REQUESTS_SETTING = "EARSIGHT_AUTH__REQUESTS_PER_MINUTE"
_UPLOADS_SETTING = "EARSIGHT_AUTH__MAX_CONCURRENT_UPLOADS"
_BYTES_SETTING = "EARSIGHT_AUTH__UPLOAD_BYTES_PER_HOUR"

_MARGIN_S = 0.001  # exactly at the end of the wait the count would still be at the limit
_IPV6_NETWORK_BITS = 64  # one subscriber has at least so many addresses


class Rates:
    """The limits of one process for each client: a label with all its keys, or an address without keys.

    The window moves: what was counted in the current minute (or hour) of the clock, plus what was counted in
    the one before in proportion to how much of that the last 60 s (or the last hour) still cover. Unlike a
    list of all that happened, two numbers for each client are enough, however many bytes are counted, and
    clients that stay away are forgotten. What is refused is not counted.
    """

    def __init__(self, settings: AuthSettings) -> None:
        self._settings = settings
        self._storage = MemoryStorage()
        self._limiter = SlidingWindowCounterRateLimiter(self._storage)
        self._uploads: Counter[str] = Counter()

    def check_request(self, who: Identity) -> None:
        """Count a request. Raises RateLimited, with the time after which one more is possible."""
        limit = self._settings.requests_per_minute
        if limit and not self._limiter.hit(item := RateLimitItemPerMinute(limit), client_of(who)):
            raise RateLimited(
                f"more than {limit} requests in a minute",
                limit=limit,
                setting=_REQUESTS_SETTING,
                retry_after_s=self._wait_s(item, client_of(who), 1),
            )

    @contextmanager
    def uploading(self, who: Identity, announced_bytes: int = 0) -> Iterator[None]:
        """An upload is received within the block, of so many bytes if that was announced.

        Raises RateLimited, before a byte is read, when too many uploads of the client are under way or when
        what was announced will not fit.
        """
        client, limit = client_of(who), self._settings.max_concurrent_uploads
        if self._uploads[client] >= limit:
            raise RateLimited(f"{limit} uploads are under way already", limit=limit, setting=_UPLOADS_SETTING)
        item = self._bytes_item()
        if item is not None and not self._limiter.test(item, client, cost=max(1, announced_bytes)):
            raise self._too_many_bytes(item, client, announced_bytes)
        self._uploads[client] += 1
        try:
            yield
        finally:
            self._uploads[client] -= 1
            if not self._uploads[client]:
                del self._uploads[client]

    def count_upload(self, who: Identity, n_bytes: int) -> None:
        """Count bytes as they are received, so that uploads which are broken off count as well.

        Raises RateLimited when they are too many.
        """
        item = self._bytes_item()
        if item is not None and not self._limiter.hit(item, client_of(who), cost=n_bytes):
            raise self._too_many_bytes(item, client_of(who), n_bytes)

    def _bytes_item(self) -> RateLimitItem | None:
        limit = self._settings.upload_bytes_per_hour
        return RateLimitItemPerHour(limit) if limit else None

    def _too_many_bytes(self, item: RateLimitItem, client: str, n_bytes: int) -> RateLimited:
        return RateLimited(
            f"more than {item.amount} bytes in an hour",
            limit=item.amount,
            setting=_BYTES_SETTING,
            retry_after_s=self._wait_s(item, client, max(1, n_bytes)),
        )

    def _wait_s(self, item: RateLimitItem, client: str, n: int) -> float:
        """Seconds until `n` more fit if nothing is counted meanwhile; a whole window if they never do."""
        window_s = item.get_expiry()
        previous, _, current, expires_s = self._storage.get_sliding_window(item.key_for(client), window_s)
        room = item.amount + 1 - n  # the count has to fall below it
        left_s = expires_s - window_s  # of the current window
        if room <= 0:
            return float(window_s)
        if current < room:  # the share of the window before has to shrink
            wait_s = left_s - window_s * (room - current) / previous if previous else 0.0
        else:  # the current window has to become the one before, and then to shrink
            wait_s = left_s + window_s * (1 - room / current)
        return max(0.0, wait_s) + _MARGIN_S


def client_of(who: Identity) -> str:
    """Whom the limits are counted for. All addresses that an IPv6 subscriber can choose from count as one."""
    if not who.anonymous:
        return f"key {who.label}"
    try:
        address = ipaddress.ip_address(who.address)
    except ValueError:
        return f"address {who.address}"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            return f"network {ipaddress.ip_network((int(address), _IPV6_NETWORK_BITS), strict=False)}"
        address = address.ipv4_mapped
    return f"address {address}"
