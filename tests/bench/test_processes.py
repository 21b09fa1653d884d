import os
import subprocess
import sys

import pytest

from app.bench.processes import family_bytes, family_cpu_s, resident_bytes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

# Works for a moment in a child that ends, then tells so and waits; its memory is 60 MB.
PARENT = """
import subprocess, sys, time
held = b"x" * 60_000_000
subprocess.run([sys.executable, "-c", "import time\\nwhile time.process_time() < 0.5: pass"])
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_family_counts_its_children_alive_or_ended():
    command = [sys.executable, "-c", PARENT]
    before_s = family_cpu_s(os.getpid())
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        assert resident_bytes(process.pid) > 60e6
        assert family_bytes(os.getpid()) > resident_bytes(os.getpid()) + 60e6
        assert family_cpu_s(process.pid) >= 0.5
        assert family_cpu_s(os.getpid()) - before_s >= 0.5
        process.stdin.close()
    assert resident_bytes(process.pid) == 0
