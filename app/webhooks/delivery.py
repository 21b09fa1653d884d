"""Delivers the messages that the store holds, each until it arrives or is given up."""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

import anyio
import httpx
from anyio import to_thread

from app.errors import EarsightError, InvalidRequest
from app.settings import WebhookSettings
from app.webhooks.address import check_target, host_of, resolve_public
from app.webhooks.signing import signed_headers, signers

if TYPE_CHECKING:
    from app.jobs.store import Delivery

logger = logging.getLogger(__name__)
# It logs whole URLs, and those of webhooks may hold what only the receiver should know.
logging.getLogger("httpx").setLevel(logging.WARNING)

Answer = TypeVar("Answer")
Outcome = Literal["delivered", "retrying", "given_up"]

_MAX_IN_FLIGHT = 16
_MAX_ADDRESSES = 4
_POLL_S = 1.0
_GONE = 410
_HOUR_S = 3600.0
# Standard Webhooks 1.0, "Deliverability and reliability"; the last one repeats.
_DELAYS_S = (5.0, 300.0, 1800.0, *(hours * _HOUR_S for hours in (2, 5, 10, 14, 20, 24)))
_JITTER = 0.1  # so small that a later delay is never shorter than an earlier one


class DeliveryStore(Protocol):
    """The part of `JobStore` that is needed here. Its methods block and raise StoreUnavailable."""

    def due_deliveries(self, limit: int) -> list[Delivery]: ...

    def delivered(self, delivery_id: str) -> None: ...

    def delivery_failed(self, delivery_id: str, *, retry_in_s: float | None, reason: str) -> None: ...


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why an attempt failed, in a few words without anything of the client's, and whether for good."""

    reason: str
    final: bool = False


class Deliverer:
    """Takes messages from the store and posts them.

    It connects to an address that was checked, not to a name that might resolve to another one a moment
    later; the certificate is checked against the name. It follows no redirect, goes through no proxy, and
    reads no more of an answer than its head. A connection serves one message: another name at the same
    address would be another receiver.
    """

    def __init__(
        self,
        store: DeliveryStore,
        settings: WebhookSettings,
        on_outcome: Callable[[Outcome], None] = lambda _: None,
    ) -> None:
        """Raises InvalidRequest if a secret of the settings is broken.

        Args:
            on_outcome: told of each attempt, for the metrics.
        """
        signers(settings.secrets)
        self._store = store
        self._settings = settings
        self._on_outcome = on_outcome
        # The system's certificates, or those that SSL_CERT_FILE and SSL_CERT_DIR name.
        self._ssl = ssl.create_default_context()
        self._user_agent = f"Earsight/{version('earsight')}"

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver what is due until `stop` is set, then wait for what is under way, `timeout_s` at most.

        If the task is cancelled, messages under way are sent again later.
        """
        stopping = asyncio.create_task(stop.wait())
        under_way: set[asyncio.Task[None]] = set()
        try:
            async with asyncio.TaskGroup() as group:
                while not stop.is_set():
                    room = _MAX_IN_FLIGHT - len(under_way)
                    due = await _quietly(partial(self._store.due_deliveries, room)) if room else []
                    under_way |= {group.create_task(self.deliver(delivery)) for delivery in due or ()}
                    waiting_for = {stopping, *under_way}
                    await asyncio.wait(waiting_for, timeout=_POLL_S, return_when=asyncio.FIRST_COMPLETED)
                    under_way = {task for task in under_way if not task.done()}
        finally:
            stopping.cancel()

    async def deliver(self, delivery: Delivery) -> None:
        """Make one attempt and write down what became of it. Raises nothing but cancellation."""
        failure = await self._attempt(delivery)
        retry_in_s = None
        if failure is None:
            outcome: Outcome = "delivered"
            record = partial(self._store.delivered, delivery.id)
        else:
            if not failure.final and delivery.attempt < self._settings.max_attempts:
                retry_in_s = _delay_s(delivery.attempt)
            outcome = "given_up" if retry_in_s is None else "retrying"
            record = partial(
                self._store.delivery_failed, delivery.id, retry_in_s=retry_in_s, reason=failure.reason
            )
        fields = {
            "job_id": delivery.job_id,
            "message_id": delivery.id,
            "attempt": delivery.attempt,
            "outcome": outcome,
            "reason": failure and failure.reason,
        }
        logger.log(logging.INFO if failure is None else logging.WARNING, "webhook", extra=fields)
        self._on_outcome(outcome)
        # If that fails, it will be sent again; the receiver knows it by its id.
        await _quietly(record)

    async def _attempt(self, delivery: Delivery) -> _Failure | None:
        try:
            with anyio.fail_after(self._settings.timeout_s):
                status = await self._post(delivery)
        except InvalidRequest:  # also when the settings have changed since the job was accepted
            return _Failure("not allowed", final=True)
        except (TimeoutError, httpx.TimeoutException):
            return _Failure("timeout")
        except (OSError, httpx.TransportError) as error:
            return _Failure("certificate" if _is_certificate_error(error) else "connection")
        except Exception:
            logger.exception("webhook_failed", extra={"job_id": delivery.job_id, "code": "internal"})
            return _Failure("internal")
        if 200 <= status < 300:
            return None
        return _Failure(f"status {status}", final=status == _GONE)

    async def _post(self, delivery: Delivery) -> int:
        """Send the message to the first address that can be reached; returns the status of the answer."""
        check_target(delivery.url, self._settings)
        url = httpx.URL(delivery.url)
        addresses = await resolve_public(host_of(url), url.port or 443, self._settings)
        addresses = addresses[:_MAX_ADDRESSES]
        headers = {
            **signed_headers(
                delivery.id,
                delivery.body,
                timestamp=datetime.now(UTC),
                secrets=self._settings.secrets,
            ),
            "host": url.netloc.decode("ascii"),
            "content-type": "application/json",
            "user-agent": self._user_agent,
        }
        timeout = httpx.Timeout(self._settings.timeout_s, connect=self._settings.timeout_s / len(addresses))
        async with httpx.AsyncClient(
            verify=self._ssl, trust_env=False, follow_redirects=False, timeout=timeout
        ) as client:
            for address in addresses:
                request = client.stream(
                    "POST",
                    url.copy_with(host=address),
                    content=delivery.body.encode(),
                    headers=headers,
                    extensions={"sni_hostname": host_of(url)},
                )
                try:
                    async with request as response:
                        return response.status_code
                except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                    unreachable = error
        raise unreachable


async def _quietly(call: Callable[[], Answer]) -> Answer | None:
    """What the store answers; None, and a line in the log, if it fails."""
    try:
        return await to_thread.run_sync(call)
    except EarsightError as error:
        logger.warning("store_unavailable", extra={"code": error.code, "detail": error.detail})
    except Exception:
        logger.exception("webhook_failed", extra={"code": "internal"})
    return None


def _delay_s(attempt: int) -> float:
    """Time until the attempt after this one, the first of which is 1."""
    delay_s = _DELAYS_S[min(attempt, len(_DELAYS_S)) - 1]
    return delay_s * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - it only spreads the load


def _is_certificate_error(error: BaseException | None) -> bool:
    """Whether the certificate of the receiver is the cause, at any depth."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
