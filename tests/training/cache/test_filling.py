"""Filling a cache: what happens when it is run again, broken off, or given bad examples."""

import json

import pytest

import training.cache.writing
from training.cache.filling import DiskFull, Step, fill_cache
from training.cache.index import CacheError, read_index
from training.cache.places import Place
from training.cache.reading import open_cache
from training.cache.writing import CacheWriter

SOURCE = {"reader": "made up"}


@pytest.fixture
def fill(encoder):
    def run(directory, examples, *, source=SOURCE, force=False, on_step=None, jobs=2, **recipe):
        maker = encoder(**{"views": 1, **recipe})
        return fill_cache(
            directory, examples, encoder=maker, source=source, force=force, on_step=on_step, jobs=jobs
        )

    return run


@pytest.fixture
def small_shards(monkeypatch):
    monkeypatch.setattr(training.cache.writing, "SHARD_EXAMPLES", 2)


def ids_in(directory):
    return [record.facts.id for record in read_index(Place(directory)).examples]


def test_examples_lie_in_shards_in_their_order(tmp_path, fill, example, small_shards):
    steps = []
    examples = [example(name) for name in "abcde"]
    filled = fill(tmp_path / "cache", examples, on_step=steps.append, max_frames=3, fps=4.0)
    assert (filled.n_encoded, filled.n_there, filled.failures) == (5, 0, ())
    index = read_index(Place(tmp_path / "cache"))
    assert [(record.facts.id, record.shard, record.position) for record in index.examples] == [
        ("a", 0, 0),
        ("b", 0, 1),
        ("c", 1, 0),
        ("d", 1, 1),
        ("e", 2, 0),
    ]
    assert [record.n_frames for record in index.examples] == [3] * 5
    assert [shard.name for shard in index.shards] == [f"0000{number}.safetensors" for number in range(3)]
    assert steps == [Step(name, number, 5) for number, name in enumerate("abcde")]
    assert examples[0].asked == [(32, 4.0)]  # the input size of the bundle, the rate of the recipe


def test_a_rerun_goes_on_and_writes_what_one_run_would_have_written(tmp_path, fill, example, small_shards):
    examples = [example(name) for name in "abcd"]
    fill(tmp_path / "once", examples)
    fill(tmp_path / "twice", examples[:2])
    filled = fill(tmp_path / "twice", examples)
    assert (filled.n_encoded, filled.n_there) == (2, 2)
    assert [len(made.asked) for made in examples] == [2, 2, 2, 2]  # a and b not for a third time
    files = sorted(path.name for path in (tmp_path / "once").glob("*.*"))
    for name in files:
        assert (tmp_path / "once" / name).read_bytes() == (tmp_path / "twice" / name).read_bytes(), name
    assert fill(tmp_path / "twice", examples).n_encoded == 0


def test_ctrl_c_keeps_what_is_encoded_and_a_rerun_goes_on(tmp_path, fill, example):
    examples = [example("a"), example("b"), example("c", event="ctrl-c"), example("d")]
    filled = fill(tmp_path, examples, jobs=1)
    assert filled.interrupted
    assert filled.failures == ()
    kept = ids_in(tmp_path)
    assert kept == list("abcd")[: len(kept)]
    assert len(kept) < 4
    assert filled.n_encoded == len(kept)
    examples[2].event = ""
    assert fill(tmp_path, examples).n_encoded == 4 - len(kept)
    assert ids_in(tmp_path) == list("abcd")


def test_a_process_that_is_killed_leaves_the_shards_it_finished(tmp_path, fill, example, small_shards):
    # What a kill leaves: whole shards, the index that names them, and at worst a part of the next shard.
    fill(tmp_path, [example("a"), example("b")])
    index = (tmp_path / "index.json").read_bytes()
    fill(tmp_path, [example(name) for name in "abcd"])
    (tmp_path / "index.json").write_bytes(index)  # killed between shard and index
    (tmp_path / ".00002.safetensors.ab.part").write_bytes(b"half a shard")  # killed while writing
    assert [facts.id for facts in open_cache(tmp_path).examples] == ["a", "b"]
    assert fill(tmp_path, [example(name) for name in "abxy"]).n_there == 2
    assert ids_in(tmp_path) == list("abxy")
    assert not list(tmp_path.glob(".*.part"))


def test_bad_examples_are_listed_and_the_rest_goes_on(tmp_path, fill, example):
    examples = [
        example("a"),
        example("broken", event="corrupt"),
        example("empty", n_frames=0, judged=()),
        example("mute", sound=False),
        example("a", cell=(0, 0)),
    ]
    filled = fill(tmp_path, examples)
    assert ids_in(tmp_path) == ["a", "mute"]
    assert {failure.id: failure.reason for failure in filled.failures} == {
        "broken": "media_corrupt: broken.mp4 is cut short",
        "empty": "it has no frame",
        "a (again)": "another example has the id a, too: only the first was taken in",
    }
    assert read_index(Place(tmp_path)).failures == filled.failures
    assert not read_index(Place(tmp_path)).examples[1].has_sound
    examples[1].event = ""  # the file is repaired
    assert fill(tmp_path, examples).n_encoded == 1
    assert [failure.id for failure in read_index(Place(tmp_path)).failures] == ["a (again)", "empty"]


def test_a_disk_that_is_full_stops_the_run_and_keeps_the_cache(tmp_path, fill, example, small_shards):
    examples = [example("a"), example("b"), example("c"), example("d", event="disk"), example("e")]
    with pytest.raises(DiskFull, match=r"3 examples written before are kept .* same command again"):
        fill(tmp_path, examples)
    assert ids_in(tmp_path) == ["a", "b", "c"]
    examples[3].event = ""
    fill(tmp_path, examples)
    assert ids_in(tmp_path) == list("abcde")


@pytest.mark.parametrize("full_for", ["00001.safetensors", "index.json"])
def test_a_shard_or_index_that_does_not_fit_on_the_disk_leaves_the_cache_as_it_was(
    tmp_path, fill, example, small_shards, monkeypatch, full_for
):
    fill(tmp_path, [example("a"), example("b")])
    before = (tmp_path / "index.json").read_bytes()
    replace = type(tmp_path).replace

    def full(self, target):
        if target.name == full_for:
            raise OSError(28, "No space left on device", str(target))
        return replace(self, target)

    monkeypatch.setattr(type(tmp_path), "replace", full)
    with pytest.raises(DiskFull, match=f"{full_for}.*The 2 examples written before are kept.*2 were lost"):
        fill(tmp_path, [example(name) for name in "abcd"])
    monkeypatch.undo()
    assert (tmp_path / "index.json").read_bytes() == before
    assert sorted(path.name for path in tmp_path.glob("*.*") if path.name[0] != ".") == [
        "00000.safetensors",
        "index.json",
    ]
    assert not list(tmp_path.glob(".*.part"))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"views": 3}, "views: 1 there, 3 here"),
        ({"fps": 1.0}, "fps: 2.0 there, 1.0 here"),
        ({"raw": True}, "fields: nothing there, raw here"),
        ({"max_frames": 5}, "max_frames: 8 there, 5 here"),
        ({"source": {"reader": "another"}}, "source.reader: made up there, another here"),
    ],
)
def test_a_cache_made_otherwise_is_refused_by_name(tmp_path, fill, example, change, named):
    fill(tmp_path, [example("a")])
    before = (tmp_path / "index.json").read_bytes()
    with pytest.raises(CacheError, match=named) as refused:
        fill(tmp_path, [example("a")], **change)
    assert "--force" in str(refused.value)
    assert (tmp_path / "index.json").read_bytes() == before


def test_a_cache_of_another_encoder_is_refused(tmp_path, fill, example):
    fill(tmp_path, [example("a")])
    index = json.loads((tmp_path / "index.json").read_text())
    index["key"]["encoders"]["graphs"]["visual"] = "0123456789ab" + 52 * "0"
    (tmp_path / "index.json").write_text(json.dumps(index))
    with pytest.raises(CacheError, match=r"encoders.graphs.visual: 0123456789ab\.\.\. there"):
        fill(tmp_path, [example("a")])


def test_force_starts_anew_and_leaves_other_files_alone(tmp_path, fill, example, small_shards):
    fill(tmp_path, [example(name) for name in "abc"])
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "model.safetensors").write_text("mine")
    fill(tmp_path, [example("z")], views=3, force=True)
    assert ids_in(tmp_path) == ["z"]
    assert {path.name for path in tmp_path.iterdir()} - {".lock"} == {
        "00000.safetensors",
        "index.json",
        "model.safetensors",
        "notes.txt",
    }


def test_two_runs_cannot_write_to_one_cache(tmp_path, fill, example, encoder):
    key = encoder(views=1).key(SOURCE)
    with CacheWriter(tmp_path, key, bundle="tiny 1"), pytest.raises(CacheError, match="another run"):
        fill(tmp_path, [example("a")])
    assert fill(tmp_path, [example("a")]).n_encoded == 1


def test_nothing_at_all_still_leaves_an_index(tmp_path, fill, example):
    filled = fill(tmp_path, [example("a", event="corrupt")])
    assert filled.n_encoded == 0
    assert read_index(Place(tmp_path)).examples == ()
