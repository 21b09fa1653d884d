"""The decode child: `python -m app.media.child JOB` turns untrusted bytes into frames and sound on a pipe.

It is the only process in which FFmpeg meets an upload. It imports the standard library, numpy and av, gets
its input as open descriptors, and can open nothing once it has begun.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

# PyAV imports these when it meets a stream that needs them; by then the child can open no file.
import av.subtitles.codeccontext
import av.subtitles.stream  # noqa: F401

from app.errors import LimitExceeded, MediaError
from app.media import sandbox
from app.media.cutting import session_of
from app.media.outlet import Outlet
from app.media.protocol import MEMORY_SETTING, DecodeJob, Kind, error_meta

_STDOUT, _STDERR = 1, 2


def main() -> None:
    """Run the job given as the only argument and leave."""
    job = DecodeJob.from_json(sys.argv[1])
    # Nothing but messages may reach the pipe, whatever a library prints.
    outlet = Outlet(os.dup(_STDOUT))
    os.dup2(_STDERR, _STDOUT)
    sandbox.enter(cpu_s=job.cpu_s, memory_bytes=job.memory_bytes)
    with suppress(BrokenPipeError):
        _run(job, outlet)
    # Without the clean-up of the interpreter: the kernel frees more quickly and cannot crash doing it.
    os._exit(0)


def _run(job: DecodeJob, outlet: Outlet) -> None:
    try:
        session_of(job, outlet).run()
    except BrokenPipeError:
        raise
    except MediaError as error:
        outlet.send(Kind.ERROR, error_meta(error))
    except MemoryError:
        outlet.send(Kind.ERROR, error_meta(_out_of_memory(job)))
    except Exception as error:
        outlet.send(Kind.ERROR, {"code": "internal", "detail": f"the decode child failed: {error!r}"})


def _out_of_memory(job: DecodeJob) -> LimitExceeded:
    return LimitExceeded(
        f"decoding needs more than {job.memory_bytes} bytes of memory",
        limit=job.memory_bytes,
        setting=MEMORY_SETTING,
    )


if __name__ == "__main__":
    main()
