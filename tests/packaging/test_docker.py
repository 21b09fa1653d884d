"""The container files, as far as they can be checked without an engine."""

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from dockerfile_parse import DockerfileParser

ROOT = Path(__file__).parents[2]


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


@pytest.fixture(scope="module")
def services() -> dict[str, dict]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]


def _values(steps: list[tuple[str, str]], instruction: str) -> list[str]:
    return [value for name, value in steps if name == instruction]


def test_both_targets_are_built_on_the_runtime_stage(stages):
    assert list(stages)[-1] == "cpu"  # so that a plain `docker build` gives it
    assert [_values(stages[name], "FROM") for name in ("cpu", "gpu")] == [
        ["runtime AS cpu"],
        ["runtime AS gpu"],
    ]


def test_a_final_image_holds_only_what_the_build_stage_installed(stages):
    for name in ("cpu", "gpu"):
        assert _values(stages[name], "COPY") == [f"--from=build-{name} /opt/earsight /opt/earsight"]
    assert "pip uninstall --yes" in " ".join(_values(stages["runtime"], "RUN"))


def test_each_build_stage_installs_its_own_extra(stages):
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for extra in ("cpu", "gpu"):
        assert extra in extras
        assert f"['optional-dependencies']['{extra}']" in " ".join(_values(stages[f"build-{extra}"], "RUN"))


def test_the_process_is_not_root(stages):
    assert _values(stages["runtime"], "USER") == ["10001:10001"]
    assert not _values(stages["cpu"], "USER") + _values(stages["gpu"], "USER")


def test_the_health_check_is_python_on_livez(stages):
    (check,) = _values(stages["runtime"], "HEALTHCHECK")
    command = json.loads(check[check.index("[") :])
    assert command[:2] == ["python", "-c"]
    compile(command[2], "HEALTHCHECK", "exec")
    assert "/livez" in command[2]


def test_the_image_serves_on_every_interface_of_the_container(stages):
    assert _values(stages["runtime"], "ENTRYPOINT") == ['["earsight"]']
    assert json.loads(_values(stages["runtime"], "CMD")[0])[:3] == ["serve", "--host", "0.0.0.0"]
    assert _values(stages["runtime"], "EXPOSE") == ["8000"]


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


def test_compose_has_a_profile_for_each_target(services):
    assert {name: (each["profiles"], each["build"]["target"]) for name, each in services.items()} == {
        "earsight-cpu": (["cpu"], "cpu"),
        "earsight-gpu": (["gpu"], "gpu"),
    }


def test_compose_takes_every_privilege_away(services):
    for each in services.values():
        assert each["read_only"] is True
        assert each["cap_drop"] == ["ALL"]
        assert each["security_opt"] == ["no-new-privileges:true"]
        assert each["user"] == "10001:10001"
        assert any(mount.startswith("/tmp:") for mount in each["tmpfs"])
        assert each["ports"] == ["127.0.0.1:8000:8000"]


def test_compose_limits_memory_processors_and_processes(services):
    for each in services.values():
        limits = each["deploy"]["resources"]["limits"]
        assert set(limits) == {"cpus", "memory"}
        scratch = next(mount for mount in each["tmpfs"] if mount.startswith("/tmp:"))
        # Scratch space counts towards the memory limit: both must fit.
        assert int(limits["memory"].removesuffix("g")) >= int(re.search(r"size=(\d+)g", scratch)[1]) + 2
        assert each["pids_limit"] > 0


def test_compose_waits_longer_than_the_service_drains(services):
    from app.settings import Settings

    for each in services.values():
        assert int(each["stop_grace_period"].removesuffix("s")) > Settings().server.drain_s


def test_compose_names_only_settings_that_exist(services):
    from app.settings import Settings

    groups = Settings().model_dump()
    for each in services.values():
        for variable in each["environment"]:
            group, _, field = variable.removeprefix("EARSIGHT_").lower().partition("__")
            assert field in groups[group]


def test_only_the_gpu_service_reserves_a_gpu(services):
    assert "reservations" not in services["earsight-cpu"]["deploy"]["resources"]
    (device,) = services["earsight-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]
