"""Runs an iterator in a thread, a bounded number of items ahead of whoever uses them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from app.errors import Canceled

T = TypeVar("T")

_POLL_S = 0.05  # how long a cancel may go unnoticed


class _End:
    """Marks the end of the items; `error` is what ended them early."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


class ReadAhead(Generic[T]):
    """Iterates over `source` in a thread of its own, `depth` items ahead."""

    def __init__(
        self,
        source: Iterator[T],
        *,
        depth: int,
        interrupt: Callable[[], None],
        cancel: threading.Event | None = None,
    ) -> None:
        """`interrupt` makes a `source` that waits for something give up; it is called by `close`.

        A set `cancel` ends the iteration at the next item, whatever the source does.
        """
        self._source = source
        self._interrupt = interrupt
        self._items: queue.Queue[T | _End] = queue.Queue(depth)
        self._closed = threading.Event()
        self._cancel = cancel
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="decode-reader", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[T]:
        """The items, once. Raises what `source` raises, and Canceled after `close` or `cancel`."""
        while not self._ended:
            if self._closed.is_set():
                raise Canceled("the clip was closed while it was being read")
            if self._cancel is not None and self._cancel.is_set():
                raise Canceled("reading the clip was canceled")
            try:
                item = self._items.get(timeout=_POLL_S)
            except queue.Empty:
                continue
            if not isinstance(item, _End):
                yield item
                continue
            self._ended = True
            if item.error is not None:
                raise item.error

    def close(self) -> None:
        """Stop the thread and wait for it. May be called twice, from any thread but its own."""
        self._closed.set()
        self._interrupt()
        self._thread.join()

    def _run(self) -> None:
        try:
            for item in self._source:
                if not self._put(item):
                    return
            end = _End()
        except Exception as error:  # handed to whoever iterates
            end = _End(error)
        self._put(end)

    def _put(self, item: T | _End) -> bool:
        while not self._closed.is_set():
            try:
                self._items.put(item, timeout=_POLL_S)
            except queue.Full:
                continue
            return True
        return False
