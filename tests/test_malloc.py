import os
import subprocess
import sys

import pytest

# Eight threads each free a block that was too small to be mapped and lies below one that stays.
PROGRAM = """
import sys, threading
from pathlib import Path
if "with" in sys.argv:
    from app.malloc import give_memory_back
    give_memory_back()
def churn():
    import ctypes
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    barrier.wait()
    large = [libc.malloc(24 << 20) for _ in range(2)]  # its free raises glibc's own threshold to its size
    libc.free(large[0])
    blocks = [libc.malloc(16 << 20) for _ in range(2)]
    for block in (*blocks, large[1]):
        ctypes.memset(block, 1, 16 << 20)
    kept.append(libc.malloc(100))
    for block in (*blocks, large[1]):
        libc.free(block)
    barrier.wait()
kept, barrier = [], threading.Barrier(8)
threads = [threading.Thread(target=churn) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
pages = int(Path("/proc/self/statm").read_text().split()[1])
print(pages * 4096 // 2**20)
"""


def resident_mib(*arguments):
    command = [sys.executable, "-c", PROGRAM, *arguments]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(os.confstr("CS_GNU_LIBC_VERSION") is None, reason="the C library is not glibc")
def test_memory_that_threads_have_freed_goes_back_to_the_system():
    assert resident_mib() > resident_mib("with") + 20
    assert resident_mib("with") < 64
