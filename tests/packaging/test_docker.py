"""The Dockerfile, as far as it can be checked without an engine."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from dockerfile_parse import DockerfileParser

from training.encoders.weights import CACHE_VARIABLE

ROOT = Path(__file__).parents[2]
SERVICES = ("cpu", "gpu", "cluster")
TARGETS = (*SERVICES, "train")


@pytest.fixture(scope="module")
def stages() -> dict[str, list[tuple[str, str]]]:
    """Instructions (name, value) of each stage of the Dockerfile, by the stage's name."""
    with (ROOT / "Dockerfile").open("rb") as file:
        structure = DockerfileParser(fileobj=file).structure
    found: dict[str, list[tuple[str, str]]] = {}
    name = ""
    for step in structure:
        if step["instruction"] == "FROM":
            name = re.split(r"\sAS\s", step["value"])[1]
            found[name] = []
        if name and step["instruction"] != "COMMENT":
            found[name].append((step["instruction"], step["value"]))
    return found


def _values(steps: list[tuple[str, str]], instruction: str) -> list[str]:
    return [value for name, value in steps if name == instruction]


def test_every_target_is_built_on_the_runtime_stage(stages):
    assert list(stages)[-1] == "cpu"  # so that a plain `docker build` gives it
    for target in SERVICES:
        assert _values(stages[target], "FROM") == [f"service AS {target}"]
    for target in ("service", "train"):
        assert _values(stages[target], "FROM") == [f"runtime AS {target}"]


def test_a_final_image_holds_only_what_the_build_stages_installed(stages):
    for target in TARGETS:
        assert _values(stages[target], "COPY") == [
            f"--from=build-{target} /opt/earsight /opt/earsight",
            "--from=package /opt/earsight /opt/earsight",
        ]
    assert "pip uninstall --yes" in " ".join(_values(stages["runtime"], "RUN"))


@pytest.mark.parametrize(
    ("target", "extras"),
    [
        ("cpu", ["cpu"]),
        ("gpu", ["gpu"]),
        ("cluster", ["cluster", "postgres", "s3"]),
        ("train", ["cpu", "train"]),
    ],
)
def test_each_build_stage_installs_its_own_extras(stages, target, extras):
    (command,) = _values(stages[f"build-{target}"], "RUN")
    assert re.findall(r"--requirement (\w+)\.txt", command) == extras


def test_the_requirements_of_an_extra_are_those_of_the_project(stages, tmp_path):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (command,) = [value for value in _values(stages["build"], "RUN") if "tomllib" in value]
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    code = re.search(r'python -c "(.*)"', command)[1]
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    for extra in ("cpu", "gpu", "cluster", "postgres", "s3", "train"):
        lines = (tmp_path / f"{extra}.txt").read_text().splitlines()
        assert lines == project["dependencies"] + project["optional-dependencies"][extra]


def test_a_cluster_has_the_runtime_of_its_device(stages):
    assert _values(stages["build-cluster"], "FROM") == ["build-${DEVICE} AS build-cluster"]
    assert "ARG DEVICE=cpu" in (ROOT / "Dockerfile").read_text().partition("FROM")[0]


def test_the_image_for_training_can_fetch_weights_into_a_volume(stages):
    (command,) = _values(stages["build-train"], "RUN")
    assert "-m ensurepip" in command
    (variable,) = _values(stages["train"], "ENV")
    assert variable.startswith(f"{CACHE_VARIABLE}={_values(stages['train'], 'WORKDIR')[0]}/")


def test_the_process_is_not_root(stages):
    assert _values(stages["runtime"], "USER") == ["10001:10001"]
    assert not [value for target in (*TARGETS, "service") for value in _values(stages[target], "USER")]


def test_nothing_is_reported_to_the_makers_of_the_libraries(stages):
    environment = " ".join(_values(stages["runtime"], "ENV")).split()
    assert {"ORT_DISABLE_TELEMETRY=1", "RAY_USAGE_STATS_ENABLED=0"} <= set(environment)


def test_the_directory_of_jobs_belongs_to_the_user_that_runs(stages):
    directory = "/var/lib/earsight"
    assert f"EARSIGHT_JOBS__DIRECTORY={directory}" in " ".join(_values(stages["service"], "ENV"))
    made = re.search(r"install --directory (.*?) " + directory, " ".join(_values(stages["runtime"], "RUN")))
    assert made
    assert {"--owner=10001", "--group=10001", "--mode=0700"} <= set(made[1].split())


def test_the_health_check_is_python_on_livez(stages):
    (check,) = _values(stages["service"], "HEALTHCHECK")
    command = json.loads(check[check.index("[") :])
    assert command[:2] == ["python", "-c"]
    compile(command[2], "HEALTHCHECK", "exec")
    assert "/livez" in command[2]


def test_the_image_serves_on_every_interface_of_the_container(stages):
    assert _values(stages["service"], "ENTRYPOINT") == ['["earsight"]']
    assert json.loads(_values(stages["service"], "CMD")[0])[:3] == ["serve", "--host", "0.0.0.0"]
    assert _values(stages["service"], "EXPOSE") == ["8000"]


def test_what_the_dockerfile_copies_passes_the_dockerignore(stages):
    let_through = {line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line.startswith("!")}
    sources = {
        source
        for steps in stages.values()
        for value in _values(steps, "COPY")
        if not value.startswith("--from")
        for source in value.split()[:-1]
    }
    assert sources == let_through
    assert all((ROOT / source).exists() for source in sources)
