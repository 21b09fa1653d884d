import hashlib
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, binary_erosion

from training.data.composites import Options, Sources, composites, interactive
from training.data.composites.sprites import Shadow, Stencil
from training.data.composites.waves import RATE_HZ
from training.metrics.masks import SIDE

FPS = 2.0


def same(first, second):
    return all(
        np.array_equal(getattr(first, name), getattr(second, name))
        for name in ("frames", "times_s", "waveform", "truth", "judged")
    )


def empty(scene):
    """The same backdrop and camera without any object."""
    return replace(scene, script=replace(scene.script, roles=(), sounds=()))


@pytest.fixture
def one(make_options):
    """Scenes with one object that sounds from start to end."""
    options = make_options(silence=0.0, offscreen=0.0, two=0.0, objects=(1.0, 0.0, 0.0), whole=1.0)
    return composites("train", 20, options=options)


def test_a_scene_is_an_example_with_frames_sound_and_truth(one):
    footage = one[0].footage(size=64, fps=FPS)
    assert footage.frames.shape == (8, 64, 64, 3)
    assert footage.frames.dtype == np.uint8
    assert footage.times_s.tolist() == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5]
    assert footage.waveform.shape == (4 * RATE_HZ,)
    assert footage.waveform.dtype == np.float32
    assert np.abs(footage.waveform).max() <= 1
    assert footage.truth.shape == (8, SIDE, SIDE)
    assert footage.truth.dtype == np.float32
    assert footage.judged.all()


def test_a_scene_is_the_same_however_often_and_in_which_order_it_is_made(make_options):
    options = make_options(grain=True, noise=1.0)
    few, many = composites("val", 4, options=options), composites("val", 50, options=options)
    later = {k: many[k].footage(size=48, fps=FPS) for k in (3, 1, 0)}
    for k in (0, 1, 3):
        assert few[k].facts == many[k].facts
        assert same(few[k].footage(size=48, fps=FPS), later[k])


def test_a_scene_is_the_same_in_another_process(sources):
    script = (
        "import hashlib, pathlib, sys\n"
        "from training.data.composites import Options, Sources, composites\n"
        "folders = [pathlib.Path(name) for name in sys.argv[1:]]\n"
        "sources = Sources(False, None, *folders)\n"
        "footage = composites('train', 9, options=Options(sources=sources))[7].footage(size=48, fps=1)\n"
        "parts = (footage.frames, footage.truth, footage.waveform)\n"
        "print(hashlib.sha256(b''.join(part.tobytes() for part in parts)).hexdigest())\n"
    )
    folders = [str(sources.cutouts), str(sources.sounds), str(sources.backgrounds)]
    digests = {
        subprocess.run(
            [sys.executable, "-c", script, *folders],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1
    assert len(digests.pop().strip()) == hashlib.sha256().digest_size * 2


def test_scenes_of_other_numbers_seeds_and_splits_differ(make_options):
    options = make_options()
    scenes = [
        composites("train", 2, options=options)[0],
        composites("train", 2, options=options)[1],
        composites("train", 1, seed=1, options=options)[0],
        composites("test", 1, options=options)[0],
    ]
    digests = {scene.footage(size=48, fps=1).frames.tobytes() for scene in scenes}
    assert len(digests) == 4
    assert len({scene.facts.id for scene in scenes}) == 4


def test_splits_share_no_picture_recording_or_backdrop(make_options):
    used = {}
    for split in ("train", "val", "test"):
        scenes = composites(split, 120, options=make_options())
        pictures = {role.cutout.id for scene in scenes for role in scene.script.roles}
        recordings = {sound.recording.id for scene in scenes for sound in scene.script.sounds}
        used[split] = pictures | recordings | {scene.backdrop.name for scene in scenes}
        assert {scene.facts.split for scene in scenes} == {split}
    assert not used["train"] & used["test"]
    assert not used["train"] & used["val"]
    assert not used["val"] & used["test"]


def test_outside_the_mask_an_object_changes_nothing(one):
    checked = 0
    for scene in one:
        if scene.layout().layers[0].shadow != Shadow():
            continue
        checked += 1
        shown, bare = scene.footage(size=SIDE, fps=1), empty(scene).footage(size=SIDE, fps=1)
        change = np.abs(shown.frames.astype(int) - bare.frames.astype(int)).max(axis=3)
        for changed, truth in zip(change, shown.truth > 0, strict=True):
            # Edges are blurred over a few pixels; farther out not one grey level may differ.
            assert changed[~binary_dilation(truth, iterations=5)].max(initial=0) == 0
            assert changed[binary_erosion(truth, iterations=3)].min(initial=255) > 20
    assert checked >= 4


def test_the_mask_is_where_half_of_the_object_is_seen(one):
    scene = next(scene for scene in one if scene.layout().layers[0].shadow == Shadow())
    shown, bare = scene.footage(size=SIDE, fps=1), empty(scene).footage(size=SIDE, fps=1)
    change = np.abs(shown.frames.astype(float) - bare.frames.astype(float)).max(axis=3)
    for changed, truth in zip(change, shown.truth > 0, strict=True):
        seen = changed > 0.5 * np.median(changed[truth])
        assert (seen & truth).sum() / (seen | truth).sum() > 0.95


def test_the_truth_does_not_depend_on_the_size_of_the_frames(one):
    small, large = one[1].footage(size=32, fps=1), one[1].footage(size=160, fps=1)
    assert np.array_equal(small.truth, large.truth)
    assert small.truth.any()


def test_what_is_covered_is_not_in_the_mask(make_options):
    options = make_options(objects=(0.0, 0.0, 1.0))
    for scene in composites("train", 12, options=options):
        masks = scene.render(32, 1).masks
        assert masks.shape[1] == 3
        assert masks.sum(axis=1).max() == 1


def test_what_can_sound_stays_visible(make_options):
    options = make_options(objects=(0.0, 0.3, 0.7))
    for scene in composites("train", 40, options=options):
        layout = scene.layout()
        masks = scene.render(32, 1).masks
        for layer in layout.layers:
            if scene.script.roles[layer.role].capable:
                size = {"width": layer.width * SIDE, "height": layer.height * SIDE}
                whole = Stencil(layout.pictures[layer.role], **size).area
                assert masks[:, layer.role].sum(axis=(1, 2)).min() > 0.6 * whole


def test_objects_stand_anywhere_and_have_many_sizes(one, make_options):
    options = make_options(silence=0.0, offscreen=0.0, two=0.0)
    layers = [scene.layout().layers[0] for scene in composites("train", 150, options=options)]
    x, y = np.array([(layer.x, layer.y) for layer in layers]).T
    assert np.ptp(x) > 0.6
    assert np.ptp(y) > 0.5
    assert np.mean((np.abs(x - 0.5) > 0.15) | (np.abs(y - 0.5) > 0.15)) > 0.6
    areas = np.sqrt([layer.width * layer.height for layer in layers])
    assert areas.min() < 0.2
    assert areas.max() > 0.55


def test_objects_and_camera_move_a_little(one):
    travels = []
    for scene in one:
        truth = scene.footage(size=32, fps=FPS).truth
        rows, columns = np.mgrid[0:SIDE, 0:SIDE]
        centres = [
            ((frame * columns).sum() / frame.sum(), (frame * rows).sum() / frame.sum()) for frame in truth
        ]
        travels.append(np.hypot(*np.ptp(centres, axis=0)) / SIDE)
    assert 0.005 < np.median(travels) < 0.15


def test_sound_is_where_the_intervals_say_and_nowhere_else(make_options):
    options = make_options(silence=0.0, offscreen=0.0, two=0.3, whole=0.0)
    for scene in composites("train", 25, options=options):
        wave = scene.waveform()
        inside = np.zeros(len(wave), bool)
        for spans in scene.intervals():
            for onset_s, offset_s in spans:
                start, end = round(onset_s * RATE_HZ), round(offset_s * RATE_HZ)
                inside[start:end] = True
                assert np.sqrt((wave[start:end] ** 2).mean()) > 0.01
        assert (wave[~inside] == 0).all()


def test_each_object_is_the_truth_while_it_sounds(make_options):
    options = make_options(silence=0.0, offscreen=0.0, two=1.0)
    for scene in composites("train", 8, options=options):
        rendering, footage = scene.render(32, 4), scene.footage(size=32, fps=4)
        for index, time_s in enumerate(footage.times_s):
            now = [
                any(onset_s <= time_s < offset_s for onset_s, offset_s in spans)
                for spans in rendering.intervals
            ]
            assert rendering.sounding[index].tolist() == now
            union = rendering.masks[index][now].any(axis=0) if any(now) else np.zeros((SIDE, SIDE), bool)
            assert np.array_equal(footage.truth[index] > 0, union)


def test_things_have_tight_boxes_around_their_masks(make_options):
    options = make_options(silence=0.2, two=0.5, objects=(0.0, 0.3, 0.7))
    for scene in composites("train", 8, options=options):
        rendering, footage = scene.render(32, FPS), scene.footage(size=32, fps=FPS)
        assert tuple(thing.label for thing in footage.things) == rendering.labels
        for index, thing in enumerate(footage.things):
            assert thing.boxes.shape == (len(footage.times_s), 4)
            assert thing.sounding.tolist() == rendering.sounding[:, index].tolist()
            for box, mask in zip(thing.boxes, rendering.masks[:, index], strict=True):
                rows, columns = mask.nonzero()
                edges = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
                assert (SIDE * box).tolist() == pytest.approx(edges, abs=1e-3)


def test_silent_objects_are_among_the_things(make_options):
    for scene in composites("train", 6, options=make_options(silence=1.0, offscreen=0.0, two=0.0)):
        footage = scene.footage(size=32, fps=1)
        assert len(footage.things) == len(scene.script.roles) > 0
        assert all(np.isfinite(thing.boxes).any() for thing in footage.things)
        assert not any(thing.sounding.any() for thing in footage.things)
    options = make_options(silence=0.0, offscreen=0.0, two=0.0, objects=(0.0, 1.0, 0.0), whole=1.0)
    for scene in composites("train", 6, options=options):
        heard, silent = sorted(
            scene.footage(size=32, fps=1).things, key=lambda thing: not thing.sounding.any()
        )
        assert heard.sounding.all()
        assert heard.label == scene.facts.labels[0]
        assert not silent.sounding.any()
        assert np.isfinite(silent.boxes).any()
        assert empty(scene).footage(size=32, fps=1).things == ()


def test_the_tone_that_is_heard_is_that_of_the_object(make_options):
    pitches_hz = {"bell": 1_200, "buzzer": 200, "whistle": 2_500}
    for scene in interactive("train", 4, options=make_options()):
        heard_hz = np.abs(np.fft.rfft(scene.waveform())).argmax() / 4
        nearest = min(pitches_hz, key=lambda kind: abs(np.log(pitches_hz[kind] / heard_hz)))
        assert scene.facts.labels == (nearest,)


def test_silence_is_silent_and_has_no_truth(make_options):
    options = make_options(silence=1.0, offscreen=0.0, two=0.0)
    for scene in composites("train", 5, options=options):
        footage = scene.footage(size=32, fps=1)
        assert (footage.waveform == 0).all()
        assert not footage.truth.any()
        assert footage.judged.all()
        assert not scene.facts.sounding
        assert scene.facts.labels == ()
    noisy = make_options(silence=1.0, offscreen=0.0, two=0.0, noise=1.0)
    peaks = [np.abs(scene.waveform()).max() for scene in composites("train", 8, options=noisy)]
    assert min(peaks) > 0
    assert max(peaks) < 0.02


def test_a_sound_from_outside_the_picture_has_no_truth(make_options):
    options = make_options(silence=0.0, offscreen=1.0, two=0.0)
    for scene in composites("train", 5, options=options):
        footage = scene.footage(size=32, fps=1)
        assert not footage.truth.any()
        assert np.abs(footage.waveform).max() > 0.01
        assert not scene.facts.sounding
        assert scene.facts.labels[0] not in [role.kind.name for role in scene.script.roles]
        assert "known_kind" not in scene.facts.extra


def test_noise_lies_below_the_sound(make_options):
    quiet = make_options(silence=0.0, offscreen=0.0, two=0.0, whole=0.0)
    noisy = make_options(silence=0.0, offscreen=0.0, two=0.0, whole=0.0, noise=1.0)
    for clean, scene in zip(
        composites("train", 8, options=quiet), composites("train", 8, options=noisy), strict=True
    ):
        noise = scene.waveform() - clean.waveform()
        signal = clean.waveform()[clean.waveform() != 0]
        assert 0 < noise.std() < 0.5 * signal.std()


def test_interactive_scenes_show_the_same_picture(make_options):
    first, second = (
        scene.footage(size=48, fps=1) for scene in interactive("test", 1, options=make_options(grain=True))
    )
    assert np.array_equal(first.frames, second.frames)
    assert not np.array_equal(first.waveform, second.waveform)
    assert first.truth.any()
    assert second.truth.any()
    assert not (first.truth * second.truth).any()


def test_facts_say_whether_a_kind_was_in_training(make_options):
    scenes = composites("test", 20, options=make_options(silence=0.0, offscreen=0.0))
    assert {scene.facts.extra["known_kind"] for scene in scenes} == {"yes"}
    assert {scene.facts.extra["situation"] for scene in scenes} <= {"one", "two"}


def test_a_kind_that_is_only_in_the_test_is_not_known(hollow_package):
    options = Options(sources=Sources(stamps=hollow_package), silence=0.0, offscreen=0.0)
    known = {
        scene.facts.labels[0]: scene.facts.extra["known_kind"]
        for scene in composites("test", 400, options=options)
        if scene.script.situation == "one"
    }
    assert known["goat"] == "no"
    assert known["car"] == "yes"
    assert {"yes"} == {scene.facts.extra["known_kind"] for scene in composites("train", 50, options=options)}


def test_scenes_are_a_sequence(one):
    assert len(one) == 20
    assert one[-1].facts.id == one[19].facts.id
    assert [scene.facts.id for scene in one[2:4]] == [one[2].facts.id, one[3].facts.id]
    with pytest.raises(IndexError):
        one[20]


def test_an_unknown_split_is_refused(make_options):
    with pytest.raises(ValueError, match="no split 'dev'"):
        composites("dev", 1, options=make_options())
