"""A clip that is looked at in parts: the same bytes as in one go, from the same runs of the graphs."""

from __future__ import annotations

import dataclasses
import hashlib
import threading
from collections import Counter

import av
import numpy as np
import pytest

from app.errors import Canceled, InternalError, MediaCorrupt
from app.inference.bundle import load_bundle
from app.pipeline.analyze import analyze
from app.pipeline.options import AnalyzeOptions
from app.pipeline.parts import look_at_part
from app.results.formats import FORMATS, write_result
from app.results.model import Explanation
from tests.tiny_bundle import write_tiny_bundle

TASKS = ("localize", "detect", "explain")


class Crew:
    """Looks at parts at once, here, the later ones first where it can."""

    def __init__(self, path, bundle, settings, *, part_s=2.0, ahead=3, turned=None):
        self.part_s, self.ahead = part_s, ahead
        self.orders = []
        self.answers = []
        self._look = lambda order: (turned or look_at_part)(
            path, order, bundle=bundle, settings=settings, turn=threading.Lock
        )

    def begin(self, order):
        self.orders.append(order)
        return len(self.orders) - 1

    def result(self, number):
        self.answers.append(self._look(self.orders[number]))
        return self.answers[-1]


class Recorder:
    """A runner that remembers what it was run on."""

    def __init__(self, runner, role, runs):
        self._runner, self._role, self._runs = runner, role, runs
        self.entry, self.buckets = runner.entry, runner.buckets

    def run(self, feeds):
        digest = hashlib.sha256()
        for name in sorted(feeds):
            digest.update(np.ascontiguousarray(feeds[name]).tobytes())
        shape = next(iter(feeds.values())).shape
        self._runs[self._role, shape, digest.hexdigest()] += 1
        return self._runner.run(feeds)


def recorded(bundle):
    """The bundle, and how often each graph has run on what."""
    runs = Counter()
    runners = {role: Recorder(runner, role, runs) for role, runner in bundle.runners.items()}
    return dataclasses.replace(bundle, runners=runners), runs


@pytest.fixture(scope="module")
def bundle(tmp_path_factory, tiny_settings):
    """One that does everything."""
    directory = write_tiny_bundle(tmp_path_factory.mktemp("all"), detects=True, names=True, explains=True)
    return load_bundle(directory, tiny_settings.inference)


@pytest.fixture
def settings(tiny_settings):
    """Small chunks, of which one batch is not full."""
    inference = tiny_settings.inference.model_copy(update={"chunk_frames": 7, "batch_frames": 3})
    return tiny_settings.model_copy(update={"inference": inference})


def _bytes(result, tmp_path, settings):
    found = {}
    for name in ("json", "ndjson", "npz", "vtt"):
        path = tmp_path / FORMATS[name].file_name
        write_result(result, path, format=FORMATS[name], source=path, audio=None, settings=settings)
        found[name] = path.read_bytes()
        path.unlink()
    return found


def _analyze(path, bundle, settings, *, tasks=TASKS, fps=10, **arguments):
    options = AnalyzeOptions(fps=fps, tasks=tasks)
    return analyze(path, bundle=bundle, settings=settings, options=options, **arguments)


CLIPS = {
    "moving": {"bursts": ((0.4, 0.5), (2.0, 3.0), (6.5, 2.0)), "frames": 300, "size": (640, 64)},
    "silent": {"audio": None, "frames": 180, "size": (640, 64)},
    "late sound": {"audio_start_s": 3.1, "bursts": ((4.0, 1.0),), "frames": 240, "size": (640, 64)},
    "reordered": {
        "bursts": ((1.0, 5.0),),
        "frames": 240,
        "size": (640, 64),
        "encoder_options": (("preset", "veryfast"), ("bf", "3"), ("g", "20")),
    },
}


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("tasks", [TASKS, ("localize",)])
def test_parts_come_to_the_same_bytes_from_the_same_runs(make_clip, bundle, settings, tmp_path, name, tasks):
    path = make_clip(**CLIPS[name])
    whole_bundle, whole_runs = recorded(bundle)
    whole = _analyze(path, whole_bundle, settings, tasks=tasks)
    parts_bundle, parts_runs = recorded(bundle)
    crew = Crew(path, parts_bundle, settings)
    parts = _analyze(path, parts_bundle, settings, tasks=tasks, crew=crew)
    assert len(crew.answers) >= 3
    assert None not in crew.answers
    assert parts_runs == whole_runs
    assert _bytes(parts, tmp_path, settings) == _bytes(whole, tmp_path, settings)


def test_parts_are_told_in_the_same_order(make_clip, bundle, settings):
    path = make_clip(**CLIPS["moving"])

    def told(**arguments):
        events = []
        _analyze(
            path,
            bundle,
            settings,
            on_source=lambda source: events.append(source),
            on_frames=lambda frames: events.append(frames.time_s.tolist()),
            on_explanation=lambda explanation: events.append(explanation.start_s),
            progress=lambda progress: events.append(progress),
            **arguments,
        )
        return events

    assert told(crew=Crew(path, bundle, settings)) == told()


def test_stretches_within_a_part_are_explained_with_it(make_clip, bundle, settings):
    path = make_clip(**CLIPS["moving"])
    crew = Crew(path, bundle, settings, part_s=6.0)
    result = _analyze(path, bundle, settings, crew=crew)
    there = [
        moment.start_s
        for answer in crew.answers
        for look in answer.looks
        for moment in look.moments
        if isinstance(moment, Explanation)
    ]
    assert there == [2.0, 4.0]
    assert [each.start_s for each in result.explanations] == [0.0, 2.0, 4.0, 6.0, 8.0]


def test_a_picture_that_stands_still_is_encoded_once(sounding_square, bundle, settings, tmp_path):
    """It stands still for 2 s and then for another 2 s, with a key frame at the beginning of each second."""
    whole_bundle, whole_runs = recorded(bundle)
    whole = _analyze(sounding_square, whole_bundle, settings)
    parts_bundle, parts_runs = recorded(bundle)
    crew = Crew(sounding_square, parts_bundle, settings, part_s=1.0)
    parts = _analyze(sounding_square, parts_bundle, settings, crew=crew)
    assert None in crew.answers
    assert sum(runs for (role, *_), runs in parts_runs.items() if role == "visual") == 2
    assert parts_runs == whole_runs
    assert _bytes(parts, tmp_path, settings) == _bytes(whole, tmp_path, settings)


def test_a_clip_no_longer_than_a_part_and_an_image_stay_whole(make_clip, bundle, settings, tmp_path):
    from PIL import Image

    Image.new("RGB", (64, 64)).save(tmp_path / "image.png")
    for path in (make_clip(frames=60), tmp_path / "image.png"):
        crew = Crew(path, bundle, settings, part_s=2.0)
        _analyze(path, bundle, settings, crew=crew)
        assert crew.orders == []


@pytest.mark.parametrize("at", [0, 2])
@pytest.mark.parametrize("error", [MediaCorrupt("damage"), InternalError("it died")])
def test_a_part_that_fails_leaves_it_to_the_whole_clip(make_clip, bundle, settings, tmp_path, at, error):
    path = make_clip(**CLIPS["moving"])
    crew = Crew(path, bundle, settings, turned=lambda *_, **__: fail())
    count = 0

    def fail():
        nonlocal count
        count += 1
        if count > at:
            raise error
        return look_at_part(
            path, crew.orders[count - 1], bundle=bundle, settings=settings, turn=threading.Lock
        )

    times_s, starts_s = [], []
    result = _analyze(
        path,
        bundle,
        settings,
        crew=crew,
        on_frames=lambda frames: times_s.extend(frames.time_s.tolist()),
        on_explanation=lambda explanation: starts_s.append(explanation.start_s),
    )
    assert _bytes(result, tmp_path, settings) == _bytes(_analyze(path, bundle, settings), tmp_path, settings)
    assert times_s == result.frames.time_s.tolist()  # each once, though some were told before the failure
    assert starts_s == [each.start_s for each in result.explanations]


def test_frames_that_look_different_from_another_key_frame_are_noticed(make_clip, bundle, settings, caplog):
    path = make_clip(**CLIPS["moving"])

    def look(*arguments, **keywords):
        answer = look_at_part(*arguments, **keywords)
        assert answer is not None
        return dataclasses.replace(answer, last_sha256="0" * 64)

    with caplog.at_level("INFO", "app.pipeline"):
        _analyze(path, bundle, settings, crew=Crew(path, bundle, settings, turned=look))
    assert "looks different" in caplog.records[-1].detail


def test_a_clip_with_damage_has_the_notices_of_the_whole(make_clip, bundle, settings, tmp_path):
    path = make_clip(**CLIPS["moving"])
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    position, size = packets[100]
    data[position : position + size] = b"\xff" * size
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(data)
    crew = Crew(broken, bundle, settings)
    result = _analyze(broken, bundle, settings, crew=crew)
    assert [notice.code for notice in result.notices] == ["damaged"]
    assert len(crew.orders) > 1
    assert _bytes(result, tmp_path, settings) == _bytes(
        _analyze(broken, bundle, settings), tmp_path, settings
    )


def test_a_cancel_is_not_taken_for_a_failure(make_clip, bundle, settings):
    path = make_clip(**CLIPS["moving"])
    calls = []

    def cancel(*_, **__):
        calls.append(1)
        raise Canceled("the analysis was canceled")

    with pytest.raises(Canceled):
        _analyze(path, bundle, settings, crew=Crew(path, bundle, settings, turned=cancel))
    assert calls == [1]
