import pytest
import torch

from training.guided.calibrator import GRID, N_DIRECTIONS, N_FEATURES, Calibrator, Spread

ROW, COLUMN = 3, 5


@pytest.fixture(scope="module")
def calibrator():
    torch.manual_seed(0)
    made = Calibrator(members=2).eval()
    made.directions.normal_(0, 0.1)
    return made


def test_a_map_has_a_probability_for_each_cell(calibrator):
    with torch.inference_mode():
        p = calibrator(torch.rand(3, GRID * GRID, N_FEATURES), torch.rand(3, GRID * GRID, 384))
    assert p.shape == (3, GRID * GRID)
    assert p.min() > 0
    assert p.max() < 1


def test_cells_keep_their_places_on_the_grid(calibrator):
    features = torch.zeros(1, GRID * GRID, N_FEATURES)
    features[0, ROW * GRID + COLUMN, 2] = 1
    looks = torch.zeros(1, GRID * GRID, N_DIRECTIONS)
    looks[0, ROW * GRID + COLUMN, 4] = 1
    channels = calibrator.channels(features, looks)
    assert channels.nonzero().tolist() == [[0, 2, ROW, COLUMN], [0, N_FEATURES + 4, ROW, COLUMN]]


def test_a_cell_is_told_of_its_whole_row_and_column():
    spread = Spread(1)
    with torch.no_grad():
        for part in (spread.near, spread.mix):
            part.weight.zero_()
            part.bias.zero_()
        spread.near.weight[0, 0, 1, 1] = 1
        spread.mix.weight[0, 1:3, 0, 0] = 1  # row and column, neither the cell nor the picture
        picture = torch.zeros(1, 1, GRID, GRID)
        picture[0, 0, ROW, COLUMN] = 10
        told = spread(picture)[0, 0]
    assert told[ROW, 0] == pytest.approx(10, abs=1e-4)
    assert told[15, COLUMN] == pytest.approx(10, abs=1e-4)
    assert told[ROW, COLUMN] == pytest.approx(30, abs=1e-4)  # itself, its row and its column
    assert told[15, 0] == 0
