"""What may import what, as section "The rooms" of the design has it, and how large a file may grow."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAX_LINES = 420


def _modules(*packages: str) -> list[str]:
    """Dotted names of all modules in packages of the repository."""
    return sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for package in packages
        for path in (ROOT / package).rglob("*.py")
    )


def _loaded_after(statement: str) -> set[str]:
    """Names of the modules that a fresh interpreter has loaded after the statement."""
    script = f"import sys\n{statement}\nprint('\\n'.join(sys.modules))"
    command = [sys.executable, "-W", "ignore", "-c", script]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return set(ran.stdout.split())


def _roots(modules: set[str]) -> set[str]:
    return {module.partition(".")[0] for module in modules}


def _import_all(modules: list[str]) -> str:
    return "\n".join(f"import {module}" for module in modules)


def test_app_imports_neither_torch_nor_training():
    modules = _modules("app")
    assert len(modules) > 30
    assert not _roots(_loaded_after(_import_all(modules))) & {"torch", "training", "onnx", "transformers"}


def test_the_decode_child_imports_the_standard_library_numpy_and_av_only():
    loaded = _loaded_after("import app.media.child")
    assert {"app.media.child", "numpy", "av"} <= loaded
    # What an empty interpreter has loaded comes from the environment, for example hooks of a .pth file.
    # `cython_runtime` and names with an underscore are made up at run time by the libraries themselves.
    foreign = _roots(loaded) - _roots(_loaded_after("pass")) - set(sys.stdlib_module_names)
    assert {name for name in foreign if name[0] != "_"} - {"cython_runtime"} == {"app", "numpy", "av"}
    rooms = {".".join(name.split(".")[:2]) for name in loaded if name.startswith("app.")}
    assert rooms == {"app.media", "app.errors"}


def test_a_service_that_starts_again_loads_nothing_that_it_does_not_need_yet(tmp_path):
    start = (
        "from pathlib import Path; from app.api.application import create_app;"
        "from app.settings import JobSettings, Settings;"
        f"create_app(Settings(jobs=JobSettings(directory=Path({str(tmp_path)!r}))))"
    )
    not_yet = {"alembic", "httpx", "PIL", "onnxruntime"}
    assert _roots(_loaded_after(start)) & not_yet == {"alembic"}  # which makes the tables
    assert not _roots(_loaded_after(start)) & not_yet


@pytest.mark.parametrize("room", ["app/pipeline", "app/inference", "app/media", "app/results"])
def test_only_the_outer_rooms_know_http(room):
    loaded = _loaded_after(_import_all(_modules(room)))
    assert not _roots(loaded) & {"fastapi", "starlette", "uvicorn"}
    assert not {name for name in loaded if name.startswith(("app.api", "app.main", "app.telemetry"))}


def test_nothing_imports_the_runtime_before_a_bundle_is_loaded():
    loaded = _loaded_after(_import_all([name for name in _modules("app") if "bench" not in name]))
    assert "onnxruntime" not in _roots(loaded)


@pytest.mark.parametrize("room", ["api", "pipeline", "results", "media", "telemetry"])
def test_the_runtime_belongs_to_the_inference_room(room):
    for path in (ROOT / "app" / room).rglob("*.py"):
        assert "import onnxruntime" not in path.read_text(), path
        assert "from onnxruntime" not in path.read_text(), path


@pytest.mark.parametrize("package", ["app", "training", "tests", "examples", "benchmarks"])
def test_no_file_grows_beyond_what_one_can_read(package):
    sizes = {path: len(path.read_text().splitlines()) for path in (ROOT / package).rglob("*.py")}
    assert {str(path.relative_to(ROOT)): size for path, size in sizes.items() if size > MAX_LINES} == {}
