import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from training.encoders.vgg16 import Vgg16Features
from training.encoders.vggish import Vggish
from training.methods.sspl.paper_encoders import load_paper_encoders


def stored(network: nn.Module) -> dict[str, torch.Tensor]:
    """A state dictionary that takes no room: the n-th parameter of the network is n/1000 throughout."""
    names_and_shapes = [(name, value.shape) for name, value in network.named_parameters()]
    return {
        name: torch.tensor(n / 1000).expand(shape)
        for n, (name, shape) in enumerate(names_and_shapes, start=1)
    }


@pytest.fixture(scope="module")
def states():
    """State dictionaries of VGG-16 and VGGish, with what else their publishers put into the files."""
    visual = stored(Vgg16Features()) | {"classifier.0.weight": torch.zeros(2, 2)}
    return visual, stored(Vggish()) | {"pproc.pca_means": torch.zeros(128, 1)}


@pytest.fixture(scope="module")
def files(states, tmp_path_factory):
    """One file of either format."""
    folder = tmp_path_factory.mktemp("weights")
    visual, audio = folder / "vgg16.safetensors", folder / "vggish.pth"
    save_file({name: value.contiguous() for name, value in states[0].items()}, visual)
    torch.save(states[1], audio)
    return visual, audio


@pytest.fixture(scope="module")
def encoders(files):
    return load_paper_encoders(*files)


def test_weights_are_those_of_the_files_in_either_format(encoders, states):
    for network, state in zip((encoders.tokens, encoders.audio), states, strict=True):
        for name, value in network.named_parameters():
            assert torch.equal(value, state[name]), name


def test_moments_are_encoded_in_the_shapes_of_the_paper(encoders):
    frames = torch.full((2, 448, 448, 3), 120, dtype=torch.uint8)
    heard = torch.tensor([[True, True], [False, False]])
    tokens, embedding, events = encoders(frames, torch.zeros(2, 2, 15_600), heard)
    assert tokens.shape == (2, 14, 14, 512)
    assert embedding.shape == (2, 128)
    assert embedding.min() >= 0
    assert events.tolist() == [[1], [0]]
    assert not embedding[1].any()
    assert not tokens.requires_grad
    assert not embedding.requires_grad


def test_encoders_stay_frozen_in_a_method_that_trains(encoders):
    method = nn.ModuleDict({"encoders": encoders, "head": nn.Linear(2, 2)}).train()
    assert method["head"].training
    assert not any(part.training for part in encoders.modules())
    assert not any(value.requires_grad for value in encoders.parameters())


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
@pytest.mark.parametrize("content", [None, b"", b"nothing of the kind"])
def test_a_file_that_is_missing_or_unreadable_is_named(tmp_path, name, content):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"cannot read the weights .*/{name}: ."):
        load_paper_encoders(path, path)


def test_a_file_of_something_else_than_a_state_dictionary_is_refused(tmp_path, states):
    path = tmp_path / "checkpoint.pth"
    torch.save({"state_dict": states[0]}, path)
    with pytest.raises(ValueError, match=r"checkpoint.pth is no state dictionary, which is a dict"):
        load_paper_encoders(path, path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features.2.bias": None}, r"features.2.bias is absent, expected \[64\]"),
        ({"features.30.bias": torch.zeros(512)}, r"features.30.bias is \[512\], expected absent"),
        ({"features.0.weight": torch.zeros(64, 1, 3, 3)}, r"is \[64, 1, 3, 3\], expected \[64, 3, 3, 3\]"),
    ],
)
def test_the_first_weight_that_does_not_fit_is_named(tmp_path, states, files, change, message):
    path = tmp_path / "other.pth"
    torch.save({name: value for name, value in (states[0] | change).items() if value is not None}, path)
    with pytest.raises(ValueError, match=rf"other.pth .* of torchvision's VGG-16: .*{message}"):
        load_paper_encoders(path, files[1])


def test_the_sound_weights_are_checked_against_the_layout_of_vggish(files):
    with pytest.raises(
        ValueError, match=r"vgg16.safetensors does not hold the weights of torchvggish's VGGish"
    ):
        load_paper_encoders(files[0], files[0])
