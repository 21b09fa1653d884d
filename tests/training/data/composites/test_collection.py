import logging
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scipy.io import wavfile

from training.data.composites import (
    CompositeError,
    Options,
    Sources,
    composites,
    load_collection,
    midi,
    speech,
)
from training.data.composites.collection import hear
from training.data.composites.inventory import read_inventory
from training.data.composites.splits import SPLITS
from training.data.composites.voices import Voice


def by_name(collection):
    return {kind.name: kind for kind in collection.kinds}


def items(kinds):
    return [item.id for kind in kinds for item in (*kind.cutouts, *kind.recordings)]


def groups(kinds):
    return {(kind.name, item.apart) for kind in kinds for item in kind.recordings}


@pytest.fixture
def all_tools(monkeypatch):
    """Nothing is rendered here, so the programs that would do it need not be on this machine."""
    monkeypatch.setattr(midi, "missing", str)
    monkeypatch.setattr(speech, "missing", str)
    load_collection.cache_clear()
    yield
    load_collection.cache_clear()


def test_kinds_in_both_folders_sound_and_the_others_never_do(sources):
    kinds = by_name(load_collection(sources))
    assert set(kinds) == {"bell", "buzzer", "whistle", "stone"}
    assert {name for name, kind in kinds.items() if kind.recordings} == {"bell", "buzzer", "whistle"}
    assert all(len(kind.cutouts) == 5 for kind in kinds.values())


@pytest.mark.parametrize("which", ["folders", "package"])
def test_every_picture_and_recording_is_in_exactly_one_split(which, sources, hollow_package, all_tools):
    collection = load_collection(sources if which == "folders" else Sources(stamps=hollow_package))
    parts = {split: collection.part(split) for split in SPLITS}
    listed = [item for part in parts.values() for item in items(part)]
    assert len(listed) == len(set(listed))
    assert sorted(listed) == sorted(items(collection.kinds))
    for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
        assert not groups(parts[one]) & groups(parts[other])


@pytest.mark.parametrize("which", ["folders", "package"])
def test_an_object_has_a_sound_in_every_split_in_which_its_kind_can_sound(
    which, sources, hollow_package, all_tools
):
    collection = load_collection(sources if which == "folders" else Sources(stamps=hollow_package))
    sounding = {kind.name for kind in collection.kinds if kind.cutouts and kind.recordings}
    for split in SPLITS:
        for kind in collection.part(split):
            assert kind.name not in sounding or (kind.cutouts and kind.recordings), (split, kind.name)


def test_a_kind_with_one_recording_lies_in_one_split(tmp_path, cutouts, sounds):
    shutil.copytree(sounds, tmp_path / "sounds")
    for path in (tmp_path / "sounds/bell").iterdir():
        if path.name != "0.wav":
            path.unlink()
    collection = load_collection(Sources(package=False, cutouts=cutouts, sounds=tmp_path / "sounds"))
    bell = by_name(collection)["bell"]
    assert len(bell.cutouts) == 5
    assert len({collection.splits[item.id] for item in (*bell.cutouts, *bell.recordings)}) == 1


def test_the_inventory_has_many_sounding_objects_in_every_split_and_new_kinds_in_the_test(
    hollow_package, all_tools
):
    collection = load_collection(Sources(stamps=hollow_package))
    counts = {
        split: sum(len(kind.cutouts) for kind in collection.part(split) if kind.recordings)
        for split in SPLITS
    }
    assert sum(counts.values()) >= 100
    assert counts["train"] >= 0.5 * sum(counts.values())
    assert counts["val"] >= 15
    trained = collection.trained_kinds()
    tested = {kind.name for kind in collection.part("test") if kind.cutouts and kind.recordings}
    assert len(tested - trained) >= 10
    assert len(tested & trained) >= 10


def test_the_inventory_says_where_kinds_go_that_lie_in_one_split(hollow_package, all_tools):
    """So that kinds which are added to it do not move the others."""
    collection = load_collection(Sources(stamps=hollow_package))
    for kind in collection.kinds:
        pictures, recordings = len(kind.cutouts), len({item.apart for item in kind.recordings})
        if pictures and recordings and min(pictures, recordings) == 1:
            assert kind.split is not None, kind.name


def test_no_picture_of_the_inventory_is_listed_twice():
    entries = read_inventory().values()
    names = [name for entry in entries for name in (*entry.pictures, *entry.recordings)]
    assert len(names) == len(set(names))


@pytest.fixture
def no_tools(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))


def test_what_needs_a_missing_program_is_left_out_and_said_once(hollow_package, no_tools, caplog):
    load_collection.cache_clear()
    with caplog.at_level(logging.WARNING):
        collection = load_collection(Sources(stamps=hollow_package))
        load_collection(Sources(stamps=hollow_package))
    load_collection.cache_clear()
    spoken = [record.message for record in caplog.records]
    assert len(spoken) == 2
    assert spoken == list(collection.remarks)
    assert any("fluidsynth is missing" in line and "guitar" in line for line in spoken)
    assert any("espeak-ng is missing" in line and "woman" in line for line in spoken)
    kinds = by_name(collection)
    assert {"guitar", "woman", "man"}.isdisjoint(kinds)
    # What has a recording of its own, or is computed, stays.
    assert {source_engine(item) for item in kinds["violin"].recordings} == {"file"}
    assert {source_engine(item) for item in kinds["car"].recordings} == {"computed"}


def test_missing_programs_do_not_move_anything_to_another_split(hollow_package, all_tools, monkeypatch):
    here = load_collection(Sources(stamps=hollow_package))
    monkeypatch.setattr(midi, "missing", lambda: "fluidsynth is missing")
    monkeypatch.setattr(speech, "missing", lambda: "espeak-ng is missing")
    load_collection.cache_clear()
    without = load_collection(Sources(stamps=hollow_package))
    assert here.splits == without.splits
    assert len(here.kinds) > len(without.kinds)


def source_engine(recording):
    return recording.source.engine if isinstance(recording.source, Voice) else "file"


def test_files_of_the_user_are_added_to_a_kind_of_the_package(hollow_package, cutouts, tmp_path):
    shutil.copytree(cutouts / "bell", tmp_path / "pig")
    before = by_name(load_collection(Sources(stamps=hollow_package)))["pig"]
    after = by_name(load_collection(Sources(stamps=hollow_package, cutouts=tmp_path)))["pig"]
    assert len(after.cutouts) == len(before.cutouts) + 5
    assert after.recordings == before.recordings
    assert after.family == "animal"


def test_a_recording_is_heard_without_the_silence_around_it(sources):
    recording = by_name(load_collection(sources))["bell"].recordings[0]
    assert len(hear(recording)) == pytest.approx(8_000, abs=640)


def test_a_silent_recording_is_named(tmp_path, cutouts):
    (tmp_path / "bell").mkdir()
    wavfile.write(tmp_path / "bell/nothing.wav", 16_000, np.zeros(16_000, np.int16))
    collection = load_collection(Sources(package=False, cutouts=cutouts, sounds=tmp_path))
    with pytest.raises(CompositeError, match=r"nothing\.wav is silent"):
        hear(by_name(collection)["bell"].recordings[0])


@pytest.mark.parametrize("argument", ["cutouts", "sounds", "backgrounds"])
@pytest.mark.parametrize("state", ["missing", "empty"])
def test_a_folder_without_anything_is_named_with_what_is_expected(tmp_path, sources, argument, state):
    folder = tmp_path / state
    if state == "empty":
        (folder / "bell").mkdir(parents=True)
    with pytest.raises(CompositeError, match=rf"{state}.*(expected)"):
        composites("train", 1, options=Options(sources=replace(sources, **{argument: folder})))


def test_objects_without_any_sound_cannot_make_scenes(tmp_path, cutouts):
    Image.new("RGBA", (9, 9)).save(tmp_path / "stray.png")
    options = Options(sources=Sources(package=False, cutouts=cutouts))
    with pytest.raises(CompositeError, match="no object of the split train has a sound"):
        composites("train", 1, options=options)


def test_no_source_at_all_is_refused():
    with pytest.raises(CompositeError, match="no object to show"):
        load_collection(Sources(package=False))


def test_a_folder_that_is_not_the_package_is_refused(tmp_path):
    with pytest.raises(CompositeError, match="tuxpaint-stamps-default"):
        load_collection(Sources(stamps=tmp_path))


def test_an_entry_with_a_field_that_does_not_exist_is_named(tmp_path):
    path = tmp_path / "inventory.toml"
    path.write_text('[kind.dog]\nfamily = "animal"\npicture = ["dog.png"]\n')
    with pytest.raises(CompositeError, match=r"inventory\.toml: \[kind\.dog\] picture"):
        read_inventory(path)
