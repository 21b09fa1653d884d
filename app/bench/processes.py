"""Memory and time of running processes, as Linux tells it."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Spent:
    """Time on the wall, and on all processors by this process and the children that it has waited for."""

    wall_s: float
    cpu_s: float

    @classmethod
    def so_far(cls) -> Spent:
        times = os.times()
        ended_s = times.children_user + times.children_system
        return cls(time.perf_counter(), time.process_time() + ended_s)

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.wall_s + other.wall_s, self.cpu_s + other.cpu_s)

    def __sub__(self, other: Spent) -> Spent:
        return Spent(self.wall_s - other.wall_s, self.cpu_s - other.cpu_s)


def resident_bytes(pid: int) -> int:
    """Resident memory of a process; 0 once it has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def family_bytes(pid: int) -> int:
    """Resident memory of a process and its descendants. Pages that they share count twice."""
    return sum(map(resident_bytes, _family(pid)))


def family_cpu_s(pid: int) -> float:
    """Processor time so far of a process and its descendants, those that have ended included."""
    ticks = 0
    for member in _family(pid):
        ticks += sum(map(int, _stat(member)[11:15]))  # user, system, and the same of children waited for
    return ticks / os.sysconf("SC_CLK_TCK")


def _family(pid: int) -> list[int]:
    """The process and its descendants."""
    children = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and (fields := _stat(int(entry.name))):
            children[int(fields[1])].append(int(entry.name))
    family = [pid]
    for member in family:
        family.extend(children[member])
    return family


def _stat(pid: int) -> list[str]:
    """The fields of `/proc/PID/stat` from the third one on; none once the process has ended."""
    try:
        # The name of the program, in parentheses, may hold anything.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
