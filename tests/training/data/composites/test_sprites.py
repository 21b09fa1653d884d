import numpy as np
import pytest
from PIL import Image, ImageDraw

from training.data.composites.inventory import CompositeError
from training.data.composites.sprites import Look, Shadow, Spot, Sprite, Stencil, open_picture, pose

SIDE = 100


@pytest.fixture
def block():
    """An opaque red picture, 40 by 20."""
    return Image.new("RGBA", (40, 20), (200, 40, 40, 255))


def drawn(picture, spot, *, look=None, shadow=None, width=40, height=20):
    frame = np.full((SIDE, SIDE, 3), 100, np.float32)
    sprite = Sprite(
        picture, width=width, height=height, look=look or Look(), shadow=shadow or Shadow(), soft_px=0
    )
    sprite.draw(frame, spot)
    return frame


def test_a_block_is_drawn_where_it_is_put_and_nowhere_else(block):
    frame = drawn(block, Spot(0.5, 0.3))
    assert np.allclose(frame[20:40, 30:70], (200, 40, 40), atol=1)
    frame[20:40, 30:70] = 100
    assert (frame == 100).all()


def test_half_a_pixel_is_half_covered(block):
    frame = drawn(block, Spot(0.505, 0.3))
    assert frame[30, 30] == pytest.approx((150, 70, 70), abs=2)
    assert frame[30, 70] == pytest.approx((150, 70, 70), abs=2)


def test_what_reaches_beyond_the_frame_is_cut_off(block):
    frame = drawn(block, Spot(0.0, 0.5))
    assert np.allclose(frame[40:60, :20], (200, 40, 40), atol=1)
    assert (drawn(block, Spot(1.5, 0.5)) == 100).all()


def test_it_turns_counter_clockwise_and_grows(block):
    upright = drawn(block, Spot(0.5, 0.5, turn_deg=90))
    assert (upright[35, 50] == upright[50, 50]).all()
    assert (upright[50, 35] == 100).all()
    half = Image.new("RGBA", (40, 20), (0, 0, 0, 0))
    half.paste((200, 40, 40, 255), (20, 0, 40, 20))  # its right half
    turned = drawn(half, Spot(0.5, 0.5, turn_deg=90))
    assert turned[35, 50, 0] > 190
    assert turned[65, 50, 0] == 100
    assert drawn(block, Spot(0.5, 0.5, zoom=2.0))[50, 12, 0] > 190


def test_light_changes_the_object_and_not_what_is_behind_it(block):
    frame = drawn(block, Spot(0.5, 0.5), look=Look(brightness=0.5))
    assert frame[50, 50] == pytest.approx((100, 20, 20), abs=2)
    assert (frame[:39] == 100).all()
    grey = drawn(block, Spot(0.5, 0.5), look=Look(saturation=0.0))[50, 50]
    assert np.ptp(grey) < 2


def test_a_flat_shadow_darkens_the_ground_below(block):
    frame = drawn(block, Spot(0.5, 0.5), shadow=Shadow(strength=0.6, blur=0.1))
    assert frame[61, 50, 0] < 90
    assert (frame[:35] == 100).all()
    assert np.allclose(frame[45:55, 35:65], (200, 40, 40), atol=1)


def test_a_stencil_covers_what_a_sprite_paints(block):
    spot = Spot(0.42, 0.37, zoom=1.3, turn_deg=12)
    stencil = Stencil(block, width=40, height=20)
    painted = np.abs(drawn(block, spot) - 100).max(axis=2) > 50
    cover = stencil.cover(spot, SIDE) >= 0.5
    assert (painted != cover).mean() < 0.002
    assert cover.sum() == pytest.approx(40 * 20 * 1.3**2, rel=0.03)
    assert stencil.area == pytest.approx(40 * 20)


def test_what_is_nowhere_opaque_counts_where_it_is_densest():
    faint = Image.new("RGBA", (40, 20), (255, 255, 255, 0))
    ImageDraw.Draw(faint).rectangle((10, 0, 29, 19), fill=(255, 255, 255, 100))
    cover = Stencil(faint, width=40, height=20).cover(Spot(0.5, 0.5), SIDE) >= 0.5
    assert cover.sum() == 20 * 20


def test_colours_of_empty_pixels_do_not_bleed_into_the_edge():
    picture = Image.new("RGBA", (80, 80), (0, 255, 0, 0))
    ImageDraw.Draw(picture).ellipse((10, 10, 70, 70), fill=(200, 40, 40, 255))
    frame = drawn(picture, Spot(0.5, 0.5), width=30, height=30)
    assert frame[..., 1].max() <= 101


def test_a_picture_is_trimmed_to_its_object(tmp_path):
    picture = Image.new("RGBA", (300, 200), (0, 0, 0, 0))
    picture.paste((9, 9, 9, 255), (50, 60, 150, 90))
    picture.save(tmp_path / "object.png")
    assert open_picture(tmp_path / "object.png").size == (100, 30)
    assert pose(open_picture(tmp_path / "object.png"), flip=True, tilt_deg=90).size == (30, 100)


@pytest.mark.parametrize(
    ("mode", "colour", "message"),
    [("RGB", (1, 2, 3), "no transparent background"), ("RGBA", (1, 2, 3, 0), "shows nothing")],
)
def test_a_picture_that_is_no_cutout_is_named(tmp_path, mode, colour, message):
    Image.new(mode, (20, 20), colour).save(tmp_path / "wrong.png")
    with pytest.raises(CompositeError, match=rf"wrong\.png.*{message}"):
        open_picture(tmp_path / "wrong.png")


def test_a_broken_picture_is_named(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    with pytest.raises(CompositeError, match=r"broken\.png cannot be opened"):
        open_picture(tmp_path / "broken.png")
