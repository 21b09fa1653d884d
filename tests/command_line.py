"""Runs a command line in the process of the tests."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest


def run_main(
    main: Callable[[], None],
    *command: object,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of `main`, called as the command with its arguments."""
    monkeypatch.setattr(sys, "argv", [*map(str, command)])
    try:
        main()
        code = 0
    except SystemExit as ended:
        code = int(ended.code or 0)
    captured = capsys.readouterr()
    return code, captured.out, captured.err
