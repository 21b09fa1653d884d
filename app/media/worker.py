"""The decode child seen from the parent: started, listened to, and always buried."""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.errors import (
    Canceled,
    DecodeTimeout,
    EarsightError,
    InternalError,
    LimitExceeded,
    MediaCorrupt,
    NotFound,
    UnsupportedMedia,
)
from app.media.protocol import (
    CPU_SETTING,
    HEADER,
    MEMORY_SETTING,
    STALL_SETTING,
    DecodeJob,
    Kind,
    error_from,
    unpack_header,
)

_PYTHON = (sys.executable, "-I", "-X", "utf8", "-m")
_PIPE_BYTES = 1024 * 1024
_EXIT_S = 5.0
_TRIAL_S = 30.0
_POLL_S = 0.05  # how long a cancel may go unnoticed
# The child sees nothing of the parent's environment. One thread and one arena keep numpy and malloc from
# reserving address space for every core of a large machine.
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}


@dataclass(frozen=True, slots=True)
class Message:
    """A message of the child; `payload` is a flat array of bytes."""

    kind: Kind
    meta: dict[str, Any]
    payload: npt.NDArray[np.uint8]


def open_input(path: Path, opened: ExitStack) -> int:
    """A read-only descriptor of a regular file, closed with `opened`.

    Raises:
        NotFound: there is no such file, or it may not be read.
        UnsupportedMedia: it is a directory, a device or a pipe.
    """
    try:
        # Opening a pipe for reading would wait for a writer.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise NotFound(f"{path.name} cannot be read: {error.strerror}") from error
    opened.callback(os.close, fd)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise UnsupportedMedia(f"{path.name} is not a regular file")
    return fd


def standing_walls() -> tuple[str, ...]:
    """The walls that stand around a decode child on this system, as `sandbox.enter` returns them.

    A process of its own finds that out. Raises InternalError if it cannot.
    """
    command = [*_PYTHON, "app.media.sandbox"]
    try:
        ran = subprocess.run(  # noqa: S603 - our own command
            command, capture_output=True, env=_ENVIRONMENT, cwd="/", timeout=_TRIAL_S, check=True
        )
        return tuple(json.loads(ran.stdout))
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise InternalError(f"the walls around the decode child cannot be tried out: {error}") from error


class DecodeWorker:
    """A running child. `close` ends it at any time, from any thread."""

    def __init__(self, job: DecodeJob, *, stall_s: float, cancel: threading.Event | None = None) -> None:
        """Start the child; it inherits the descriptors named in `job`, which the caller may close then."""
        self._stall_s = stall_s
        self._cancel = cancel
        self._job = job
        self._released = False
        self._pipe, child_end = os.pipe()
        self._process = subprocess.Popen(  # noqa: S603 - the interpreter that runs us, and our own module
            [*_PYTHON, "app.media.child", job.to_json()],
            stdin=subprocess.DEVNULL,
            stdout=child_end,
            stderr=subprocess.DEVNULL,
            env=_ENVIRONMENT,
            cwd="/",
            pass_fds=[fd for fd in (*job.media_fds, job.sound_fd) if fd >= 0],
            start_new_session=True,
        )
        os.close(child_end)
        with suppress(OSError, AttributeError):  # fewer context switches where the system allows it
            fcntl.fcntl(self._pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self._poll = select.poll()
        self._poll.register(self._pipe, select.POLLIN)

    @property
    def pid(self) -> int:
        return self._process.pid

    def messages(self) -> Iterator[Message]:
        """What the child sends, up to the END message and without it.

        Raises:
            MediaError: what the child reports, or what its death means.
            Canceled: `cancel` was set; the child is dead by then.
            InternalError: a fault of the child.
        """
        while True:
            message = self._receive()
            if message.kind is Kind.END:
                return
            if message.kind is Kind.ERROR:
                raise error_from(message.meta)
            if message.kind is not Kind.BEAT:
                yield message

    def close(self) -> None:
        """Kill the child with all it started, and collect its exit status. May be called twice."""
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def release(self) -> None:
        """`close`, and close the pipe, from which nobody may be reading any more. May be called twice."""
        self.close()
        if not self._released:
            self._released = True
            os.close(self._pipe)

    def _receive(self) -> Message:
        kind, meta_bytes, payload_bytes = unpack_header(self._read(HEADER.size).tobytes())
        try:
            meta = json.loads(self._read(meta_bytes).tobytes())
        except ValueError as error:
            raise InternalError("the decode child sent something that is no message") from error
        return Message(kind, meta, self._read(payload_bytes))

    def _read(self, n_bytes: int) -> npt.NDArray[np.uint8]:
        data = np.empty(n_bytes, np.uint8)
        rest = data.data
        while len(rest):
            self._await_bytes()
            received = os.readv(self._pipe, [rest])
            if not received:
                raise self._cause_of_death()
            rest = rest[received:]
        return data

    def _await_bytes(self) -> None:
        """Wait until there is something to read. Raises Canceled, and DecodeTimeout after a stall."""
        deadline_s = time.monotonic() + self._stall_s
        while True:
            self._check_canceled()
            rest_s = deadline_s - time.monotonic()
            # At the deadline look once more: this process may itself have stood still.
            if self._poll.poll(max(0.0, min(rest_s, _POLL_S)) * 1000):
                return
            if rest_s <= 0:
                self.close()
                raise DecodeTimeout(
                    f"decoding stood still for {self._stall_s:g} s",
                    limit=self._stall_s,
                    setting=STALL_SETTING,
                )

    def _check_canceled(self) -> None:
        if self._cancel is not None and self._cancel.is_set():
            self.close()
            raise Canceled("decoding was canceled")

    def _cause_of_death(self) -> EarsightError:
        deadline_s = time.monotonic() + _EXIT_S
        while self._process.poll() is None and time.monotonic() < deadline_s:
            self._check_canceled()
            time.sleep(0.005)
        status = self._process.poll()
        self.close()
        if status == -signal.SIGXCPU:
            return DecodeTimeout(
                f"decoding takes more than {self._job.cpu_s} s of CPU time",
                limit=self._job.cpu_s,
                setting=CPU_SETTING,
            )
        if status == -signal.SIGKILL:  # not by us: the system ran out of memory
            return LimitExceeded(
                "the decode process was killed, as happens when memory runs out",
                limit=self._job.memory_bytes,
                setting=MEMORY_SETTING,
            )
        if status is not None and status < 0:
            return MediaCorrupt(f"the decoder crashed on this file ({signal.Signals(-status).name})")
        return InternalError(
            f"the decode process ended without an answer (status {status});"
            " `python -I -m app.media.child` shows whether it can start at all"
        )
