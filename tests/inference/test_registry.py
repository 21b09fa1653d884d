import shutil
import threading

import pytest

from app.errors import BundleError, NotFound
from app.inference import registry as registry_module
from app.inference.registry import BundleRegistry
from app.settings import InferenceSettings, Settings
from tests.tiny_bundle import write_tiny_bundle


@pytest.fixture
def settings(tmp_path) -> Settings:
    write_tiny_bundle(tmp_path)
    return Settings(
        inference=InferenceSettings(bundle="tiny", bundle_dirs=(tmp_path,), device="cpu", threads=1)
    )


def test_no_name_means_the_bundle_of_the_settings(settings):
    registry = BundleRegistry(settings)
    assert registry.get() is registry.get("tiny")
    assert registry.loaded() == (registry.get(),)
    assert "tiny" in registry.names()


def test_a_bundle_is_loaded_once_however_many_ask(settings, monkeypatch):
    loads = []
    real = registry_module.load_bundle

    def load(directory, *arguments, **named):
        loads.append(directory)
        threading.Event().wait(0.05)
        return real(directory, *arguments, **named)

    monkeypatch.setattr(registry_module, "load_bundle", load)
    registry = BundleRegistry(settings)
    threads = [threading.Thread(target=registry.get) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loads) == 1


def test_who_asks_for_what_is_loaded_ahead_waits_for_it(settings, monkeypatch):
    loads, may_end = [], threading.Event()
    real = registry_module.load_bundle

    def load(directory, *arguments, **named):
        loads.append(directory)
        may_end.wait(10)
        return real(directory, *arguments, **named)

    monkeypatch.setattr(registry_module, "load_bundle", load)
    registry = BundleRegistry(settings)
    registry.load_ahead()
    while not loads:
        threading.Event().wait(0.01)
    threading.Timer(0.05, may_end.set).start()
    assert registry.get().info.name == "tiny"
    assert len(loads) == 1


def test_what_cannot_be_loaded_ahead_is_told_to_who_asks_for_it(settings, tmp_path, capfd):
    (tmp_path / "tiny" / "manifest.json").write_text("{}")
    registry = BundleRegistry(settings)
    registry.load_ahead()
    for thread in threading.enumerate():
        if thread.name == "load-bundle":
            thread.join(10)
    assert capfd.readouterr().err == ""
    with pytest.raises(BundleError):
        registry.get()


def test_a_reload_serves_the_new_version(settings, tmp_path):
    registry = BundleRegistry(settings)
    old = registry.get()
    shutil.rmtree(tmp_path / "tiny")
    write_tiny_bundle(tmp_path, version="2")
    assert registry.get().info.version == "1"
    assert registry.reload("tiny").info.version == "2"
    assert registry.get().info.version == "2"
    assert old.info.version == "1"


def test_a_failed_reload_keeps_the_old_bundle_serving(settings, tmp_path):
    registry = BundleRegistry(settings)
    old = registry.get()
    (tmp_path / "tiny" / "audio.onnx").write_bytes(b"broken")
    with pytest.raises(BundleError):
        registry.reload()
    assert registry.get() is old


def test_an_unknown_name_is_not_found(settings):
    with pytest.raises(NotFound, match="'other'"):
        BundleRegistry(settings).get("other")


def test_a_bundle_in_a_directory_of_another_name_is_refused(settings, tmp_path):
    (tmp_path / "tiny").rename(tmp_path / "alias")
    with pytest.raises(BundleError, match="alias holds a bundle that calls itself tiny"):
        BundleRegistry(settings).get("alias")
