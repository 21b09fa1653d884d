"""Runs Earsight with faults built in, as the variable FAULTS says in JSON; see `Faults` for what there is.

The places of the faults are written `module:name` or `module:Class.method`.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Literal

VARIABLE = "FAULTS"
PROGRAM = f"import sys; sys.path.insert(0, {str(Path(__file__).parents[2])!r})\n"
PROGRAM += "from tests.faults.launcher import main; main()"


@dataclass(frozen=True, slots=True)
class Kill:
    """The process kills itself with signal 9 at the `nth` call of `at`, before the call or after it."""

    at: str
    when: Literal["before", "after"] = "before"
    nth: int = 1


@dataclass(frozen=True, slots=True)
class Faults:
    """Attributes:
    kill: where the process dies.
    raise_once: a function that raises RuntimeError the first time that it is called after the start.
    slow: functions, and by how many seconds each of their calls is delayed.
    values: constants and what they are instead.
    clock: a file with the seconds by which the clock of the process is wrong.
    """

    kill: Kill | None = None
    raise_once: str | None = None
    slow: dict[str, float] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    clock: str | None = None

    @classmethod
    def from_json(cls, text: str) -> Faults:
        members = json.loads(text)
        if members.get("kill") is not None:
            members["kill"] = Kill(**members["kill"])
        return cls(**members)


def main() -> None:
    """Build the faults in, then become the command line."""
    faults = Faults.from_json(os.environ.pop(VARIABLE))
    for place, value in faults.values.items():
        owner, name = _find(place)
        getattr(owner, name)  # a constant that is gone must not be missed silently
        setattr(owner, name, value)
    for place, seconds in faults.slow.items():
        _wrap(place, functools.partial(_slowed, seconds=seconds))
    if faults.kill is not None:
        _wrap(faults.kill.at, functools.partial(_deadly, kill=faults.kill))
    if faults.raise_once is not None:
        _wrap(faults.raise_once, _raising)
    if faults.clock is not None:
        _shift_clock(Path(faults.clock))
    importlib.import_module("app.cli").main()


def _find(place: str) -> tuple[Any, str]:
    module, _, path = place.partition(":")
    *owners, name = path.split(".")
    return functools.reduce(getattr, owners, importlib.import_module(module)), name


def _wrap(place: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    owner, name = _find(place)
    setattr(owner, name, make(getattr(owner, name)))


def _slowed(call: Callable[..., Any], *, seconds: float) -> Callable[..., Any]:
    @functools.wraps(call)
    def slowed(*args: Any, **kwargs: Any) -> Any:
        time.sleep(seconds)
        return call(*args, **kwargs)

    return slowed


def _deadly(call: Callable[..., Any], *, kill: Kill) -> Callable[..., Any]:
    lock, calls = threading.Lock(), 0

    @functools.wraps(call)
    def deadly(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        with lock:
            calls += 1
            now = calls == kill.nth
        if now and kill.when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = call(*args, **kwargs)
        if now:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return deadly


def _raising(call: Callable[..., Any]) -> Callable[..., Any]:
    lock, raised = threading.Lock(), False

    @functools.wraps(call)
    def raising(*args: Any, **kwargs: Any) -> Any:
        nonlocal raised
        with lock:
            now, raised = not raised, True
        if now:
            raise RuntimeError("built in by the test")
        return call(*args, **kwargs)

    return raising


def _shift_clock(file: Path) -> None:
    """Make the wall clock wrong by as many seconds as the file says; the monotonic clock goes on."""
    right_time = time.time

    def wrong_time() -> float:
        return right_time() + float(file.read_text() or 0)

    class WrongDatetime(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + timedelta(seconds=float(file.read_text() or 0))

    time.time = wrong_time
    time.time_ns = lambda: round(wrong_time() * 1e9)
    _find("app.jobs.store:utc_now")[0].datetime = WrongDatetime
