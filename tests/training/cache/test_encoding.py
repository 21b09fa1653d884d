import dataclasses

import numpy as np
import pytest

from app.pipeline.encode import encode_audio, encode_visual
from training.cache.encoding import chosen_frames, cover
from training.data.examples import Visible


def encoded_of(example, encoder):
    return encoder.encode(example.facts.id, example.footage(size=32, fps=2.0))


def test_the_plain_view_is_what_the_service_makes_of_the_frames(example, encoder, tiny_bundle):
    made = example("a")
    encoded = encoded_of(made, encoder(views=2))
    footage = made.footage(size=32, fps=2.0)
    tokens, _ = encode_visual(tiny_bundle, footage.frames, 1)
    events, embedding = encode_audio(tiny_bundle, footage.waveform, 0.0, footage.times_s)
    arrays = encoded.arrays
    assert arrays["tokens"].shape == (3, 4, 4, 4, 3)
    np.testing.assert_allclose(arrays["tokens"][0], tokens, atol=1e-3)
    np.testing.assert_allclose(arrays["events"], events, atol=1e-3)
    np.testing.assert_allclose(arrays["embedding"], embedding, atol=1e-3)
    for name in ("tokens", "events", "embedding", "window", "cover"):
        assert arrays[name].dtype == np.float16, name
    assert arrays["times_s"].tolist() == footage.times_s.tolist()
    assert arrays["has_sound"].all()


def test_cover_is_the_share_of_each_cell_in_the_truth_of_judged_frames(example, encoder):
    encoded = encoded_of(example("a", cell=(3, 0)), encoder(views=0))
    plain = encoded.arrays["cover"][0]
    assert plain[2, 3, 0] == 1
    assert plain.sum() == 1  # nothing in the other cells, and nothing in the frames that nobody judged
    assert encoded.arrays["judged"].tolist() == [False, False, True, False]
    assert encoded.judged == (2,)


def test_cover_by_hand():
    truth = np.zeros((1, 4, 4), np.float32)
    truth[0, :3, 0] = 1  # two of four pixels of the upper left quarter, one of the lower left
    assert cover(truth, 2, 2).tolist() == [[[0.5, 0], [0.25, 0]]]


def test_views_differ_from_the_frame_and_repeat_themselves(example, encoder):
    makers = encoder(views=2), encoder(views=2)
    first, again = (encoded_of(example("a"), maker).arrays for maker in makers)
    other = encoded_of(example("b"), makers[0]).arrays
    assert np.array_equal(first["tokens"], again["tokens"])
    assert np.array_equal(first["cover"], again["cover"])
    assert not np.array_equal(first["tokens"][1], first["tokens"][0])
    assert not np.array_equal(first["tokens"][1], first["tokens"][2])
    assert not np.array_equal(first["tokens"][1], other["tokens"][1])  # the id is part of the seed


def test_without_sound_embedding_and_events_are_zero(example, encoder):
    encoded = encoded_of(example("a", sound=False), encoder())
    assert not encoded.has_sound
    assert not encoded.arrays["embedding"].any()
    assert not encoded.arrays["events"].any()
    assert not encoded.arrays["has_sound"].any()


def test_a_frame_beyond_the_sound_track_has_no_sound(example, encoder):
    footage = example("a").footage(size=32, fps=2.0)
    footage = dataclasses.replace(footage, waveform=footage.waveform[:8000])  # half a second of two
    encoded = encoder(views=0).encode("a", footage)
    assert encoded.arrays["has_sound"].tolist() == [True, False, False, False]
    assert encoded.has_sound


def test_the_window_is_the_nearest_one_where_the_embedding_is_the_mean_of_all_in_reach(example, encoder):
    """The tone ends at 0.7 s: of the four windows around the frame at 0.75 s two hear it."""
    footage = example("a").footage(size=32, fps=2.0)
    waveform = footage.waveform.copy()
    waveform[11_200:] = 0
    made = encoder(views=0).encode("a", dataclasses.replace(footage, waveform=waveform)).arrays
    assert made["window"].shape == (4, 2)
    loud, silent = [1, 1], [0, 1]  # loudness and one
    np.testing.assert_allclose(made["window"][[0, 2, 3]], [loud, silent, silent], atol=1e-3)
    assert made["embedding"][0].tolist() == loud
    # Of the windows centred at 0.6, 0.7, 0.8 and 0.9 the first two hear the tone.
    np.testing.assert_allclose(made["embedding"][1], [0.5, 1], atol=1e-3)
    assert made["window"][1].tolist() in (loud, silent)  # 0.7 and 0.8 are as near
    moved = dataclasses.replace(footage, waveform=waveform, times_s=footage.times_s + 0.1)
    assert encoder(views=0).encode("a", moved).arrays["window"][1].tolist() == silent


def test_the_window_of_a_frame_that_hears_nothing_is_zero(example, encoder):
    footage = example("a").footage(size=32, fps=2.0)
    cut = dataclasses.replace(footage, waveform=footage.waveform[:8000])
    heard = encoder(views=0).encode("a", cut).arrays["window"]
    assert heard.tolist() == [[1, 1], [0, 0], [0, 0], [0, 0]]
    assert not encoded_of(example("b", sound=False), encoder(views=0)).arrays["window"].any()


def thing(label, *lefts, sounding):
    """In sight in as many frames as there are left edges; None where it is not seen."""
    boxes = [(np.nan,) * 4 if left is None else (left, 0.25, left + 0.25, 0.5) for left in lefts]
    return Visible(label, np.array(boxes, np.float32), np.array(sounding, bool))


def test_boxes_of_the_things_are_kept_with_their_names(example, encoder):
    things = (
        thing("dog", 0, None, 0.5, 0.75, sounding=[0, 0, 1, 1]),
        thing("", 0.5, 0.5, 0.5, 0.5, sounding=[0, 0, 0, 0]),
        thing("dog", 0.25, 0.25, 0.25, None, sounding=[1, 1, 0, 0]),
    )
    encoded = encoded_of(example("a", things=things), encoder(views=0))
    boxes, sounding = encoded.arrays["boxes"], encoded.arrays["box_sounding"]
    assert encoded.things == ("dog", "", "dog")
    assert (boxes.shape, boxes.dtype) == ((4, 3, 4), np.float32)
    np.testing.assert_array_equal(boxes, np.stack([made.boxes for made in things], axis=1))
    assert boxes[3, 0].tolist() == [0.75, 0.25, 1, 0.5]
    assert np.isnan(boxes[1, 0]).all()
    assert (sounding.shape, sounding.dtype) == ((4, 3), np.bool_)
    assert sounding.tolist() == [[0, 0, 1], [0, 0, 1], [1, 0, 0], [1, 0, 0]]


def test_boxes_are_those_of_the_frames_that_are_kept(example, encoder):
    lefts = np.arange(8) / 16
    things = (thing("dog", *lefts, sounding=[0, 1, 0, 0, 0, 0, 0, 1]),)
    encoded = encoded_of(example("a", n_frames=8, judged=(), things=things), encoder(views=0, max_frames=4))
    assert encoded.arrays["boxes"][:, 0, 0].tolist() == lefts[[1, 3, 5, 7]].tolist()
    assert encoded.arrays["box_sounding"].tolist() == [[True], [False], [False], [True]]


def test_where_nothing_is_known_to_be_in_sight_there_is_no_box(example, encoder):
    encoded = encoded_of(example("a"), encoder(views=0))
    assert encoded.arrays["boxes"].shape == (4, 0, 4)
    assert encoded.arrays["box_sounding"].shape == (4, 0)
    assert encoded.things == ()


def test_class_maps_and_raw_are_kept_if_wanted(example, encoder):
    plain = encoded_of(example("a"), encoder(views=1))
    assert not {"class_map", "frames", "waveform"} & set(plain.arrays)
    full = encoded_of(example("a"), encoder(views=1, class_map=True, raw=True))
    assert full.arrays["class_map"].shape == (2, 4, 2, 2, 3)
    np.testing.assert_allclose(full.arrays["class_map"].sum(-1), 1, atol=2e-3)
    footage = example("a").footage(size=32, fps=2.0)
    assert np.array_equal(full.arrays["frames"], footage.frames)
    assert np.array_equal(full.arrays["waveform"], footage.waveform)
    assert full.size_bytes > plain.size_bytes


@pytest.mark.parametrize(
    ("n_frames", "judged", "most", "kept"),
    [
        (4, (), 8, [0, 1, 2, 3]),
        (8, (), 4, [1, 3, 5, 7]),  # the middles of [0, 2), [2, 4), [4, 6), [6, 8)
        (20, (3,), 4, [3, 7, 12, 17]),  # 3 takes the place of 2, the nearest of 2, 7, 12, 17
        (20, (12,), 4, [2, 7, 12, 17]),
        (20, (0, 1), 2, [0, 1]),
        (8, (0, 2, 3, 4, 6, 7), 3, [2, 4, 7]),  # judged ones only, evenly: numbers 1, 3 and 5 of them
        (8, range(8), 2, [2, 6]),
        (9, (8,), 1, [8]),
    ],
)
def test_frames_are_spread_evenly_and_judged_ones_are_kept(n_frames, judged, most, kept):
    known = np.zeros(n_frames, bool)
    known[list(judged)] = True
    assert chosen_frames(known, most).tolist() == kept


def test_footage_that_does_not_fit_together_is_refused(example, encoder):
    footage = example("a").footage(size=32, fps=2.0)
    with pytest.raises(ValueError, match="no frame"):
        encoder().encode("a", dataclasses.replace(footage, frames=footage.frames[:0]))
    with pytest.raises(ValueError, match="truth for 3"):
        encoder().encode("a", dataclasses.replace(footage, truth=footage.truth[:3]))
    with pytest.raises(ValueError, match=r"\(4, 30, 32, 3\)"):
        encoder().encode("a", dataclasses.replace(footage, frames=footage.frames[:, :30]))


@pytest.mark.parametrize(
    "made",
    [
        thing("dog", 0, 0, 0, sounding=[0, 0, 0]),
        thing("dog", 0, 0, 0, 0, 0, sounding=[0, 0, 0, 0]),
        thing("dog", 0, 0, 0, 0, sounding=[0, 0, 0]),
        Visible("dog", np.zeros((4, 2), np.float32), np.zeros(4, bool)),
    ],
)
def test_a_thing_that_does_not_fit_the_frames_is_refused(example, encoder, made):
    fitting = thing("cat", 0, 0, 0, 0, sounding=[0, 0, 0, 0])
    with pytest.raises(ValueError, match=r"4 frames, but boxes .* of 'dog'"):
        encoded_of(example("a", things=(fitting, made)), encoder(views=0))
