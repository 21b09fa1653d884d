import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from transformers import Dinov2Config, Dinov2Model

from training.encoders.dinov2 import Dinov2, fixed_size, load_dinov2
from training.encoders.weights import DINOV2

PUBLISHED_TOKENS = "/backbone/layernorm/Add_1_output_0"


@pytest.fixture(scope="module")
def small() -> Dinov2:
    """An encoder of the same kind, with two narrow layers and random weights."""
    torch.manual_seed(0)
    config = Dinov2Config(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=56, patch_size=14
    )
    return Dinov2(Dinov2Model(config)).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def encoder(published) -> Dinov2:
    published(DINOV2)
    return load_dinov2()


def halved(pictures: np.ndarray) -> torch.Tensor:
    return torch.nn.functional.avg_pool2d(torch.from_numpy(pictures).permute(0, 3, 1, 2).float(), 2)


def test_one_token_per_patch_of_14_pixels(small):
    assert small(torch.zeros(2, 3, 56, 56)).shape == (2, 4, 4, 32)
    assert small(torch.zeros(1, 3, 70, 42)).shape == (1, 5, 3, 32)


def test_tokens_lie_where_their_patch_is(small):
    picture = torch.zeros(1, 3, 56, 56)
    changed = picture.clone()
    changed[:, :, 14:28, 42:] = 255
    difference = (small(changed) - small(picture)).norm(dim=3)[0]
    assert divmod(int(difference.argmax()), 4) == (1, 3)


def test_fixing_the_size_changes_nothing_but_the_graph(small):
    pictures = torch.rand(2, 3, 84, 84) * 255
    fixed = fixed_size(small, 84)
    torch.testing.assert_close(fixed(pictures), small(pictures), atol=1e-5, rtol=1e-5)
    assert small(torch.zeros(1, 3, 56, 56)).shape == (1, 4, 4, 32), "the original was changed"


def test_a_directory_in_the_format_of_the_hub_is_loaded_instead(small, tmp_path):
    small.model.save_pretrained(tmp_path)
    loaded = load_dinov2(tmp_path)
    pictures = torch.rand(1, 3, 56, 56) * 255
    torch.testing.assert_close(loaded(pictures), small(pictures))
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


@pytest.mark.weights
def test_tokens_are_those_of_the_published_graph(published, encoder, pictures):
    model = onnx.load(published(DINOV2))
    model.graph.output.append(
        onnx.helper.make_tensor_value_info(PUBLISHED_TOKENS, onnx.TensorProto.FLOAT, None)
    )
    graph = onnxruntime.InferenceSession(model.SerializeToString())
    small_pictures = halved(pictures[:2])
    normalised = (small_pictures - encoder.mean) / encoder.std
    theirs = graph.run([PUBLISHED_TOKENS], {"input_image": normalised.numpy()})[0]
    ours = encoder(small_pictures)
    assert ours.shape == (2, 16, 16, 384)
    np.testing.assert_allclose(ours.reshape(2, 256, 384), theirs[:, 1:], atol=1e-4)


@pytest.mark.weights
def test_larger_pictures_give_a_finer_grid_of_the_same_content(encoder, pictures):
    fine = encoder(torch.from_numpy(pictures[:1]).permute(0, 3, 1, 2).float())
    coarse = encoder(halved(pictures[:1]))
    assert fine.shape == (1, 32, 32, 384)
    pooled = fine.reshape(1, 16, 2, 16, 2, 384).mean((2, 4)).reshape(256, 384)
    similarity = torch.nn.functional.cosine_similarity(
        pooled[:, None], coarse.reshape(1, 256, 384), dim=2
    )  # (fine, coarse)
    assert similarity.diagonal().mean() > similarity.mean() + 0.1
