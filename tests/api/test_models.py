import shutil

import pytest

from app.settings import InferenceSettings


def test_list_names_the_default_bundle_with_its_licence(ask):
    models = {model["name"]: model for model in ask("GET", "/v1/models").json()["models"]}
    tiny = models["tiny"]
    assert (tiny["default"], tiny["loaded"], tiny["licence"]) == (True, True, "CC0-1.0")
    assert tiny["grid"] == [4, 4]


def test_detail_is_the_manifest_and_the_provider(ask):
    detail = ask("GET", "/v1/models/tiny").json()
    assert detail["manifest"]["schema"] == "earsight.bundle/1"
    assert detail["manifest"]["events"]["labels"][0] == "Tone"
    assert detail["model"]["provider"] == "CPUExecutionProvider"


def test_detail_of_a_bundle_that_detects_names_what_it_knows(ask):
    tasks = {model["name"]: model["tasks"] for model in ask("GET", "/v1/models").json()["models"]}
    assert (tasks["tiny"], tasks["tiny-detect"]) == (["localize"], ["localize", "detect"])
    assert ask("GET", "/v1/models/tiny-detect").json()["manifest"]["detector"] == {
        "labels": ["plain", "green", "blue"],
        "threshold": 0.5,
        "sounding": {"scale": 1.0, "offset": 0.0, "threshold": 0.5},
    }


def test_bundle_that_shares_graphs_is_listed_before_it_is_loaded_and_tells_whose_they_are(ask):
    models = {model["name"]: model for model in ask("GET", "/v1/models").json()["models"]}
    small = models["tiny-small"]
    assert (small["default"], small["loaded"], small["input_size"]) == (False, False, 16)
    detail = ask("GET", "/v1/models/tiny-small").json()
    assert detail["model"] is None
    owners = {file["role"]: file.get("bundle") for file in detail["manifest"]["files"]}
    assert owners == {"visual": None, "audio": "tiny", "localize": "tiny"}


@pytest.mark.parametrize("name", ["nothing", "..", "%2e%2e%2ftiny", "tiny%00", "A" * 300])
def test_unknown_bundle_is_404_whatever_its_name(ask, name):
    response = ask("GET", f"/v1/models/{name}")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


def test_broken_bundle_is_left_out_of_the_list(ask, settings, tiny_bundles, tmp_path):
    shutil.copytree(tiny_bundles / "tiny", tmp_path / "more" / "broken")
    (tmp_path / "more" / "broken" / "manifest.json").write_text("{}")
    inference = settings.inference.model_dump() | {"bundle_dirs": (tiny_bundles, tmp_path / "more")}
    settings = settings.model_copy(update={"inference": InferenceSettings(**inference)})
    response = ask("GET", "/v1/models", settings=settings)
    names = [model["name"] for model in response.json()["models"]]
    assert "tiny" in names
    assert "broken" not in names
