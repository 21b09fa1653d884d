"""Large blocks go back to the system as soon as they are free."""

from __future__ import annotations

import subprocess
import sys

import pytest

_PROGRAM = """
import resource, sys
import torch
from training.loop.memory import give_back_large_blocks

if sys.argv[1] == "yes":
    give_back_large_blocks()
torch.zeros(30_000_000, dtype=torch.uint8)  # raises the size from which glibc gives back
pairs = [[torch.ones(size, dtype=torch.uint8) for size in (10_000_000, 100_000)] for _ in range(40)]
kept = [small for _, small in pairs]  # lie behind the large ones, whose places would be holes
del pairs
lines = open("/proc/self/smaps_rollup").read().splitlines()
print(next(int(line.split()[1]) for line in lines if line.startswith("Anonymous")))
"""


def _anonymous_kb(give_back: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, give_back], check=True, capture_output=True, text=True
    )
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_process_that_keeps_little_of_much_stays_small() -> None:
    assert _anonymous_kb("yes") < _anonymous_kb("no") - 300_000
