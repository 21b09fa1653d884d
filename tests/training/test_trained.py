import shlex
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

from app.inference.bundle import Bundle, load_bundle
from app.settings import InferenceSettings
from tests.training.methods.made_scenes import save_untrained
from training import trained
from training.cli import cli
from training.loop.checkpoint import CheckpointError
from training.loop.end_to_end import EndToEndEncoders
from training.methods.cmc.config import CmcConfig
from training.methods.cmc.module import Cmc
from training.methods.command import read_settings
from training.methods.localiser import AudioVisualLocaliser, Widths
from training.methods.sspl.config import SsplConfig
from training.methods.sspl.module import Sspl
from training.trained import Description, export_checkpoint

OURS = Widths(token=384, sound=1024, grid=16)

CMC = CmcConfig(width=16, hidden=16, frame="learned", views=("frame", "audio"), rate=1e-5)
SSPL = SsplConfig(pcm=True, steps=2, standardise=False, channels=16, hidden=16, projected=16, bottleneck=8)
DESCRIPTION = Description("ours", "1.2.3", "CC-BY-4.0", ("scenes that we made, CC0-1.0", "our videos"))


class Colours(nn.Module):
    """Pictures (N, 3, 224, 224) to tokens (N, 16, 16, 384) of their colours, as DINOv2 gives tokens."""

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight / 255))

    def forward(self, pictures: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(pictures * self.weight, 14).permute(0, 2, 3, 1).repeat(1, 1, 1, 128)


class Level(nn.Module):
    """Windows to scores (W, 521), all the level times a weight, and to an embedding (W, 1024) made of it."""

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))

    def forward(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        level = windows.abs().amax(1, keepdim=True) * self.weight
        return level.expand(-1, 521), level.expand(-1, 1024) * torch.arange(1024) / 1024


@dataclass(frozen=True)
class Exported:
    """A bundle, and what it is made of."""

    module: AudioVisualLocaliser
    tokens: nn.Module
    codes: nn.Module
    bundle: Bundle


@pytest.fixture(scope="module")
def patched():
    """Encoders of our own in the place of those that would have to be fetched."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trained, "load_dinov2", Colours)
        patch.setattr(trained, "load_yamnet", Level)
        patch.setattr(trained, "fixed_size", lambda encoder, _side: encoder)
        patch.setattr(trained, "_empty_encoders", lambda _: along(1.0))
        yield


def along(weight: float) -> EndToEndEncoders:
    return EndToEndEncoders(Colours(weight), Level(weight), silence=None)


def export(module, directory) -> Bundle:
    path = save_untrained(module, directory / "best.ckpt")
    export_checkpoint(path, directory / "ours", description=DESCRIPTION, precision="fp32")
    return load_bundle(directory / "ours", InferenceSettings(device="cpu", threads=1))


@pytest.fixture(scope="module")
def cmc(patched, tmp_path_factory) -> Exported:
    """CMC on the published encoders."""
    torch.manual_seed(0)
    module = Cmc(CMC, OURS).eval()
    module.inputs.fit(torch.randn(4, 16, 16, 384), torch.rand(9, 1024))
    return Exported(module, Colours(), Level(), export(module, tmp_path_factory.mktemp("cmc")))


@pytest.fixture(scope="module")
def sspl(patched, tmp_path_factory) -> Exported:
    """SSPL whose encoders were trained along."""
    torch.manual_seed(0)
    encoders = along(0.5)
    module = Sspl(SSPL, OURS, encoders=encoders).eval()
    bundle = export(module, tmp_path_factory.mktemp("sspl"))
    return Exported(module, encoders.tokens, encoders.audio, bundle)


@pytest.mark.parametrize("name", ["cmc", "sspl"])
def test_the_bundle_of_a_checkpoint_answers_as_its_module(request, name):
    exported = request.getfixturevalue(name)
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    frames = np.kron(blocks, np.ones((1, 28, 28, 1), np.uint8))
    windows = np.float32([[0.1], [0.7]]).repeat(15_600, 1)
    with torch.no_grad():
        half_size = torch.from_numpy(frames)[:, ::2, ::2].permute(0, 3, 1, 2).float()
        events = Level()(torch.from_numpy(windows))[0]  # of the published encoder in either bundle
        embedding = exported.codes(torch.from_numpy(windows))[1]
        wanted = exported.module(exported.tokens(half_size), embedding, events)
    bundle = exported.bundle
    answered = bundle.localize(*bundle.visual(frames), *bundle.audio(windows))
    assert wanted[0].std() > 0.01
    np.testing.assert_allclose(answered[0], wanted[0], atol=1e-4)
    np.testing.assert_allclose(answered[1], wanted[1], atol=1e-4)


def test_the_manifest_says_what_was_trained_on_what_and_how(cmc, sspl):
    manifest = cmc.bundle.manifest
    assert (manifest.name, manifest.version, manifest.licence) == ("ours", "1.2.3", "CC-BY-4.0")
    assert manifest.training_data == DESCRIPTION.training_data
    assert manifest.encoders == {"tokens": "DINOv2 ViT-S/14 at 224 px", "audio": "YAMNet"}
    *published, head = manifest.weights
    assert (head.name, head.licence, head.source) == ("cmc, a trained localiser", "CC-BY-4.0", "best.ckpt")
    assert len(published) == 2
    assert (manifest.input_size, manifest.grid) == (448, (16, 16))
    assert [spec.name for spec in manifest.file("localize").inputs] == ["tokens", "embedding", "events"]
    assert sspl.bundle.manifest.encoders["audio"] == "YAMNet for names, end-to-end encoder for the embedding"


@pytest.mark.parametrize(("name", "config"), [("cmc", CMC), ("sspl", SSPL)])
def test_the_training_command_of_the_manifest_can_be_given_again(request, name, config):
    command = shlex.split(request.getfixturevalue(name).bundle.manifest.training_command)
    assert command[:2] == ["earsight-train", name]
    assert set(command[2::2]) == {"--set"}
    assert read_settings(type(config), None, command[3::2]) == config


def test_a_file_that_is_no_checkpoint_of_a_localiser_is_named(patched, tmp_path):
    path = save_untrained(Cmc(CMC, OURS), tmp_path / "images.ckpt", method="cmc-images")
    with pytest.raises(CheckpointError, match=r"images.ckpt holds cmc-images, which gives no map"):
        export_checkpoint(path, tmp_path / "out", description=DESCRIPTION)
    assert not (tmp_path / "out").exists()


def test_the_command_never_writes_a_checkpoint_over_the_default_bundle(tmp_path):
    path = save_untrained(Cmc(CMC, OURS), tmp_path / "best.ckpt")
    result = CliRunner().invoke(cli, ["export", "--checkpoint", str(path)])
    assert result.exit_code == 2
    assert "name a directory of its own" in " ".join(result.output.replace("│", " ").split())
