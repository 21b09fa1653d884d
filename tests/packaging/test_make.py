"""The Makefile, the CI script and the hooks: the commands that the README tells people to type."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
MAKE = shutil.which("make")

pytestmark = pytest.mark.skipif(MAKE is None, reason="make is not installed")


def _plan(*arguments: str, cwd: Path = ROOT) -> str:
    """What make would run, without running it."""
    command = [str(MAKE), "--dry-run", "--always-make", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True).stdout


def _targets() -> set[str]:
    text = (ROOT / "Makefile").read_text()
    return set(re.search(r"^\.PHONY: (.*)$", text, re.M)[1].split())


def test_every_target_of_the_design_exists():
    wanted = {"run", "serve", "setup", "setup-train", "test", "test-browser", "test-cluster", "test-slow"}
    wanted |= {"lint", "format", "bench"}
    assert wanted <= _targets()
    for target in wanted:
        assert _plan(target)


def test_every_make_command_in_the_documents_exists():
    documents = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    named = {name for page in documents for name in re.findall(r"\bmake ([a-z][a-z-]*)\b", _code(page))}
    assert {"run", "test"} <= named <= _targets()


def test_run_installs_the_serving_extra_only():
    plan = _plan("run")
    assert "--editable '.[cpu]'" in plan
    assert "torch" not in plan
    assert "train" not in plan.replace("earsight-train", "")


@pytest.mark.parametrize("target", ["run", "serve"])
def test_a_bundle_is_passed_on_if_one_is_named(target):
    assert "--bundle" not in _plan(target)
    assert '--bundle "$BUNDLE"' in _plan(target, "BUNDLE=fast")


def test_test_installs_torch_before_everything_else():
    plan = _plan("test")
    assert "pip install --quiet 'torch==2.13.0'" in plan
    assert plan.index("torch==") < plan.index("[cpu,train,dev]") < plan.index("fetch-weights")
    steps = ["ruff format --check", "ruff check", "mypy", "pytest -m 'not slow and not gpu"]
    assert [plan.index(step) for step in steps] == sorted(plan.index(step) for step in steps)


def test_browser_tests_bring_their_browser_and_stay_out_of_the_plain_run():
    plan = _plan("test-browser")
    steps = ["--editable '.[browser]'", "tests/browser/install_chromium.sh", "pytest -m browser"]
    assert [plan.index(step) for step in steps] == sorted(plan.index(step) for step in steps)
    assert os.access(ROOT / "tests" / "browser" / "install_chromium.sh", os.X_OK)
    assert "browser" not in _plan("test").replace("not browser", "")


def test_cluster_tests_bring_what_they_need_and_stay_out_of_the_plain_run():
    plan = _plan("test-cluster")
    steps = ["--editable '.[cluster-tests]'", "tests/cluster/install_postgresql.sh", "pytest -m cluster"]
    assert [plan.index(step) for step in steps] == sorted(plan.index(step) for step in steps)
    assert os.access(ROOT / "tests" / "cluster" / "install_postgresql.sh", os.X_OK)
    assert "cluster" not in _plan("test").replace("not cluster", "")


def test_a_video_name_with_spaces_reaches_the_command_whole(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    key = subprocess.run(
        ["bash", "-c", "cksum < pyproject.toml | tr ' ' -"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs.parent / f".serving-{key}").touch()
    (programs / "earsight").write_text('#!/bin/sh\nprintf "[%s]" "$@"\n')
    (programs / "earsight").chmod(0o755)
    (programs / "python").symlink_to(sys.executable)  # else an environment is made, which takes long
    ran = subprocess.run(
        [str(MAKE), "run", "VIDEO=my clips/a dog.mp4"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "[analyze][my clips/a dog.mp4][--out][out]" in ran.stdout
    assert "Look at out/a dog/overlay.mp4" in ran.stdout


def test_without_a_python_make_says_what_is_missing(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("bash", "cksum", "tr", "sed"):
        (programs / name).symlink_to(shutil.which(name))
    (programs / "python3").write_text("#!/bin/bash\nexit 1\n")  # too old: fails the version check
    (programs / "python3").chmod(0o755)
    ran = subprocess.run(
        [str(MAKE), "setup"], cwd=tmp_path, capture_output=True, text=True, env={"PATH": str(programs)}
    )
    assert ran.returncode != 0
    assert "Earsight needs Python 3.11 or later" in ran.stderr


def test_the_ci_script_stops_at_the_first_error_and_runs_the_tests():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    lines = script.read_text().splitlines()
    assert lines[:2] == ["#!/usr/bin/env bash", "set -euo pipefail"]
    assert lines[-3:] == ["make test", "make test-browser", "make test-cluster"]


def test_the_hooks_need_no_network():
    configuration = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert [each["repo"] for each in configuration["repos"]] == ["local"]
    hooks = configuration["repos"][0]["hooks"]
    assert {hook["id"] for hook in hooks} == {"ruff-format", "ruff", "mypy"}
    assert {hook["language"] for hook in hooks} == {"system"}


def _code(page: Path) -> str:
    """The code of a page: fenced blocks and words in back quotes."""
    text = page.read_text() if page.exists() else ""
    return "\n".join(re.findall(r"```.*?```|`[^`\n]+`", text, re.S))
