import numpy as np
import pytest

from training.metrics.masks import SIDE
from training.metrics.sizes import Size, size_of


def square(side_px, weight=1.0):
    truth = np.zeros((SIDE, SIDE), np.float32)
    truth[:side_px, :side_px] = weight
    return truth


@pytest.mark.parametrize(
    ("side_px", "size"),
    [
        (31, Size.SMALL),
        (32, Size.MEDIUM),
        (95, Size.MEDIUM),
        (96, Size.LARGE),
        (143, Size.LARGE),
        (144, Size.HUGE),
        (SIDE, Size.HUGE),
    ],
)
def test_the_lower_bound_belongs_to_the_bin(side_px, size):
    assert size_of(square(side_px)) == size


def test_half_weight_counts_as_half_the_area():
    # 40 x 40 = 1600 pixels at half weight are 800, below 32 x 32 = 1024.
    assert size_of(square(40)) == Size.MEDIUM
    assert size_of(square(40, weight=0.5)) == Size.SMALL
