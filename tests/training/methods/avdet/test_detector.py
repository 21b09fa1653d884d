import pytest
import torch

from training.methods.avdet.detector import Answers, DetectorHead, cell_centres


@pytest.fixture
def head():
    torch.manual_seed(0)
    return DetectorHead(5, 3, grid=4, width=16, blocks=2, dropout=0.5).eval()


def test_each_cell_tells_a_box_around_itself_its_classes_and_the_fit(head):
    answers = head(10 * torch.randn(2, 4, 4, 5))
    assert (answers.boxes.shape, answers.classes.shape, answers.fit.shape) == (
        (2, 16, 4),
        (2, 16, 3),
        (2, 16),
    )
    assert (answers.boxes[:, :, :2] < head.cells).all()
    assert (answers.boxes[:, :, 2:] > head.cells).all()
    assert answers.scores.shape == (2, 16)
    assert answers.scores.min() > 0
    assert answers.scores.max() < 1


def test_before_training_nothing_is_believed_to_be_there(head):
    assert torch.sigmoid(head(torch.zeros(1, 4, 4, 5)).classes).max() < 0.05


def test_a_cell_answers_by_what_stands_around_it(head):
    """A thing elsewhere in the frame is seen too, but nothing of another frame."""
    seen = torch.randn(2, 4, 4, 5)
    other = seen.clone()
    other[0, 2, 1] += 5
    before, after = head(seen).fit, head(other).fit
    assert (before[0] != after[0]).all()
    assert torch.equal(before[1], after[1])


def test_rows_and_columns_keep_their_order(head):
    """Cell 4 y + x of the answers is token (y, x)."""
    head.blocks[0].look.weight.data.zero_(), head.blocks[1].look.weight.data.zero_()
    seen = torch.zeros(1, 4, 4, 5)
    seen[0, 1, 3] = 5
    fit = head(seen).fit[0]
    assert (fit != fit[0]).nonzero().flatten().tolist() == [1 * 4 + 3]


def test_cells_are_listed_row_by_row():
    wanted = [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]]
    assert cell_centres(2).tolist() == wanted


def test_a_score_takes_all_classes_together_and_how_well_the_box_fits():
    odds = torch.tensor([[[0.5, 0.5], [3.0, 1e-9], [1e-9, 1e-9]]])
    fit = torch.tensor([[1.0, 1 / 3, 1e9]]).log()
    scores = Answers(torch.zeros(1, 3, 4), odds.log(), fit).scores
    # Two halves make odds of 1, 3 are 0.75, and the fits are 1/2, 1/4 and 1.
    assert scores[0].tolist() == pytest.approx([(0.5 * 0.5) ** 0.5, (0.75 * 0.25) ** 0.5, 0], abs=1e-4)


def test_dropout_disturbs_only_the_training(head):
    seen = torch.randn(1, 4, 4, 5)
    assert torch.equal(head(seen).fit, head(seen).fit)
    head.train()
    assert not torch.equal(head(seen).fit, head(seen).fit)
