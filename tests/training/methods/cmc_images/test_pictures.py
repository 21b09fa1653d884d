import shutil

import pytest
import torch
from PIL import Image

from training.loop.errors import LoopError
from training.methods.cmc_images.pictures import Pictures, central, read_folder, read_picture


def test_a_folder_has_classes_and_a_tenth_for_validation(folder):
    found = read_folder(folder, side=32)
    assert found.classes == ("dark", "light")
    assert found.broken == []
    assert len(found.train) + len(found.val) == 80
    assert 4 <= len(found.val) <= 14
    assert all(file.path.parent.name == found.classes[file.label] for file in found.train + found.val)


def test_the_split_stays_when_pictures_are_added_or_moved_with_their_folder(folder, tmp_path):
    def names(files):
        return {file.path.name for file in files}

    before = read_folder(folder, side=32)
    Image.new("RGB", (40, 40)).save(folder / "dark" / "another.png")
    moved = shutil.copytree(folder, tmp_path / "elsewhere")
    after = read_folder(moved, side=32)
    assert names(after.val) - {"another.png"} == names(before.val)
    assert names(after.train) - {"another.png"} == names(before.train)


def test_broken_pictures_are_left_out_and_named(folder):
    whole = next((folder / "dark").glob("*.png")).read_bytes()
    (folder / "dark" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "light" / "text.jpg").write_text("no picture")
    (folder / "light" / "notes.txt").write_text("not looked at")
    found = read_folder(folder, side=32)
    assert len(found.train) + len(found.val) == 80
    assert [fault.partition(":")[0] for fault in found.broken] == ["dark/cut.png", "light/text.jpg"]


def test_folders_without_enough_pictures_are_refused(tmp_path):
    with pytest.raises(LoopError, match="has no picture in a sub-folder"):
        read_folder(tmp_path, side=32)
    (tmp_path / "only").mkdir()
    Image.new("RGB", (40, 40)).save(tmp_path / "only" / "one.png")
    with pytest.raises(LoopError, match="has 1 pictures that can be read, 0 of them for validation"):
        read_folder(tmp_path, side=32)


def test_the_middle_of_a_picture_is_kept_and_its_proportions(tmp_path):
    picture = Image.new("RGB", (120, 40), (255, 0, 0))
    picture.paste((0, 0, 255), (40, 0, 80, 40))
    picture.save(tmp_path / "wide.png")
    pixels = read_picture(tmp_path / "wide.png", side=20)
    assert (pixels.shape, pixels.dtype) == ((3, 20, 20), torch.uint8)
    assert pixels[:, :, 1:-1].unique(dim=2).tolist() == [[[0]] * 20, [[0]] * 20, [[255]] * 20]


@pytest.mark.parametrize(("mode", "suffix"), [("L", "jpg"), ("P", "gif"), ("RGBA", "png"), ("CMYK", "jpg")])
def test_all_kinds_of_pictures_become_rgb(tmp_path, mode, suffix):
    path = tmp_path / f"picture.{suffix}"
    Image.new(mode, (50, 30)).save(path)
    assert read_picture(path, side=32).shape == (3, 32, 32)


def test_items_know_their_class_and_their_number(folder):
    files = read_folder(folder, side=32).train
    pictures = Pictures(files, side=32)
    item = pictures[len(files) - 1]
    assert (int(item["label"]), int(item["index"])) == (1, len(files) - 1)
    assert pictures.labels.tolist() == [file.label for file in files]


def test_central_pixels():
    pictures = torch.arange(36).reshape(1, 1, 6, 6)
    assert central(pictures, 2).flatten().tolist() == [14, 15, 20, 21]
    assert torch.equal(central(pictures, 6), pictures)
