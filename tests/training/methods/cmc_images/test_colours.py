import pytest
import torch

from training.methods.cmc_images.colours import split_colours

WHITE, BLACK, RED, GREEN, BLUE = (1, 1, 1), (0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)


def views(colour, space):
    """Lightness and colour of a picture of one pixel, as a list of three."""
    light, colours = split_colours(torch.tensor([colour], dtype=torch.float32)[..., None, None], space)
    return [*light.flatten().tolist(), *colours.flatten().tolist()]


@pytest.mark.parametrize(
    ("colour", "lab"),
    [
        # White is L 100, a 0, b 0: (100 - 50) / 50, (0 - 6.025) / 92.208, (0 + 6.6895) / 101.1675.
        (WHITE, (1.0, -0.06534, 0.06612)),
        (BLACK, (-1.0, -0.06534, 0.06612)),
        # The CIE values of the primaries of sRGB, as tables have them.
        (RED, ((53.24 - 50) / 50, (80.09 - 6.025) / 92.208, (67.20 + 6.6895) / 101.1675)),
        (GREEN, ((87.73 - 50) / 50, (-86.18 - 6.025) / 92.208, (83.18 + 6.6895) / 101.1675)),
        (BLUE, ((32.30 - 50) / 50, (79.19 - 6.025) / 92.208, (-107.86 + 6.6895) / 101.1675)),
    ],
)
def test_lab_is_centred_and_scaled_as_published(colour, lab):
    assert views(colour, "lab") == pytest.approx(lab, abs=3e-4)


@pytest.mark.parametrize(
    ("colour", "ycbcr"),
    [  # The values of ITU-R BT.601 with 8 bits.
        (WHITE, (235, 128, 128)),
        (BLACK, (16, 128, 128)),
        (RED, (81.481, 90.203, 240)),
        (BLUE, (40.966, 240, 109.786)),
    ],
)
def test_ycbcr_is_in_the_range_of_video(colour, ycbcr):
    centre, scale = (116.151, 121.080, 132.342), (109.500, 111.855, 111.964)
    expected = [(value - c) / s for value, c, s in zip(ycbcr, centre, scale, strict=True)]
    assert views(colour, "ycbcr") == pytest.approx(expected, abs=2e-3)


def test_pictures_keep_their_shape_and_their_views_do_not_share_what_is_grey():
    grey = torch.rand(2, 1, 5, 7).expand(2, 3, 5, 7)
    light, colour = split_colours(grey, "lab")
    assert (light.shape, colour.shape) == ((2, 1, 5, 7), (2, 2, 5, 7))
    assert light.std() > 0.1
    assert colour.std(dim=(0, 2, 3)).max() < 1e-3
