import pytest
import torch

from tests.training.methods.simkd.made_students import SMALL, random_backbone, random_student
from training.methods.simkd.config import SimkdConfig
from training.methods.simkd.student import Shapes, Student


@pytest.fixture
def frames():
    torch.manual_seed(2)
    return torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)


@pytest.mark.parametrize("shapes", [Shapes(4, 3, 2), Shapes(16, 8, 14), Shapes(3, 384, 1)])
def test_it_gives_what_its_teacher_gives(frames, shapes):
    tokens, class_map = random_student(shapes).eval()(frames)
    assert tokens.shape == (2, shapes.grid, shapes.grid, shapes.token)
    assert class_map.shape == (2, shapes.class_cells, shapes.class_cells, 3)
    torch.testing.assert_close(class_map.sum(3), torch.ones(class_map.shape[:3]))


@pytest.mark.parametrize("frozen", [0, 5, 11])
def test_it_is_the_same_wherever_it_is_cut(frames, frozen):
    whole = random_student(config=SimkdConfig(**SMALL, frozen=8)).eval()
    cut = random_student(config=SimkdConfig(**SMALL, frozen=frozen)).eval()
    for one, other in zip(whole(frames), cut(frames), strict=True):
        torch.testing.assert_close(one, other)


def test_the_class_map_is_that_of_the_backbone_brought_to_the_grid_of_the_teacher(frames):
    student = random_student(Shapes(4, 3, 2)).eval()
    pictures = frames.permute(0, 3, 1, 2).float()
    torch.testing.assert_close(student(frames)[1], student.backbone(pictures))
    logits = student.backbone.logits_map(pictures)
    mean = torch.softmax(logits.mean((2, 3)), -1)  # in the middle of four cells all count alike
    torch.testing.assert_close(random_student(Shapes(4, 3, 1)).eval()(frames)[1][:, 0, 0], mean)


def test_only_what_lies_behind_the_frozen_blocks_is_trained():
    student = random_student(config=SimkdConfig(**SMALL, frozen=5))
    fixed = {name for name, part in student.named_parameters() if not part.requires_grad}
    roots = {".".join(name.split(".")[1:3]) for name in fixed if ".blocks." in name}
    assert roots == {f"blocks.{number}" for number in range(5)}
    assert {name for name in fixed if ".blocks." not in name} == {
        "backbone.conv_stem.weight",
        "backbone.bn0.weight",
        "backbone.bn0.bias",
    }


def test_in_training_the_norms_of_the_backbone_keep_the_statistics_of_imagenet():
    student = random_student().train()
    assert student.projector.training
    assert not any(part.training for part in student.backbone.modules())
    assert not student.eval().projector.training


def test_the_projector_is_as_much_narrower_as_is_wished():
    student = Student(random_backbone(), Shapes(4, 12, 2), reduction=4, frozen=0)
    widths = [part.out_channels for part in student.projector if isinstance(part, torch.nn.Conv2d)]
    assert widths == [3, 3, 12]
    assert student.projector[0].in_channels == 112 + 320
