import pytest
import torch

from training.loop.checkpoint import CheckpointError, read_checkpoint
from training.loop.fitting import fit


@pytest.fixture
def last(line, data, options):
    return fit(line(rate=0.125), data, options(epochs=1), say=lambda _: None).last


def test_a_checkpoint_gives_method_configuration_and_weights(last, line):
    method, config, about, state = read_checkpoint(last)
    assert method == "line"
    assert config == {"rate": 0.125, "dropout": 0.3, "falls": 0.97}
    assert about["method"] == "line"
    line().load_state_dict(state)


def test_it_holds_nothing_that_would_be_executed(last):
    content = torch.load(last, weights_only=True)
    assert content["hyper_parameters"]["method"] == "line"
    assert type(content["hyper_parameters"]["config"]) is dict


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_file_that_is_cut_short_is_named(last, share):
    content = last.read_bytes()
    last.write_bytes(content[: int(share * len(content))])
    with pytest.raises(CheckpointError, match=r"last.ckpt is no checkpoint, or it is cut short"):
        read_checkpoint(last)


def test_other_files_are_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"there is no checkpoint .*none.ckpt"):
        read_checkpoint(tmp_path / "none.ckpt")
    with pytest.raises(CheckpointError, match="is no checkpoint"):
        read_checkpoint(tmp_path)
    (tmp_path / "text.ckpt").write_text("hello")
    with pytest.raises(CheckpointError, match=r"text.ckpt is no checkpoint"):
        read_checkpoint(tmp_path / "text.ckpt")
    torch.save({"state_dict": {}}, tmp_path / "other.ckpt")
    with pytest.raises(CheckpointError, match=r"other.ckpt is no checkpoint of a method that"):
        read_checkpoint(tmp_path / "other.ckpt")


def test_code_in_a_file_is_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "made"), "w"))

    torch.save({"earsight": Evil(), "state_dict": {}}, tmp_path / "evil.ckpt")
    with pytest.raises(CheckpointError, match=r"evil.ckpt"):
        read_checkpoint(tmp_path / "evil.ckpt")
    assert not (tmp_path / "made").exists()
