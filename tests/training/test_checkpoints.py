import pytest
import torch

from tests.training.methods.made_scenes import GRID, WIDTHS, save_untrained
from training.checkpoints import load_localizer
from training.loop.checkpoint import CheckpointError
from training.methods.cmc.config import CmcConfig
from training.methods.cmc.module import Cmc
from training.methods.sspl.config import SsplConfig
from training.methods.sspl.module import Sspl


@pytest.fixture(
    params=[
        (Cmc, CmcConfig(width=16, hidden=16, frame="learned", views=("audio", "frame", "motion"))),
        (Sspl, SsplConfig(pcm=True, steps=2, channels=16, hidden=16, projected=16, bottleneck=8)),
    ],
    ids=["cmc", "sspl"],
)
def module(request):
    """A module with inputs and scaling of its own, in evaluation mode."""
    torch.manual_seed(0)
    kind, config = request.param
    made = kind(config, WIDTHS).eval()
    made.inputs.fit(torch.randn(20, GRID, GRID, 32), torch.rand(20, 24))
    made.slope.fill_(2), made.contrast.fill_(1), made.offset.fill_(-0.5)
    return made


def test_a_checkpoint_answers_as_the_module_that_it_was_made_of(module, tmp_path):
    loaded = load_localizer(save_untrained(module, tmp_path / "best.ckpt"))
    tokens, embedding, events = torch.randn(3, GRID, GRID, 32), torch.rand(3, 24), torch.rand(3, 7)
    with torch.no_grad():
        wanted, answered = module(tokens, embedding, events), loaded(tokens, embedding, events)
    assert wanted[0].std() > 0.01
    assert all(torch.equal(*pair) for pair in zip(wanted, answered, strict=True))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no checkpoint"),
        (b"no checkpoint at all", "is no checkpoint, or it is cut short"),
    ],
)
def test_another_file_is_named(tmp_path, content, message):
    path = tmp_path / "other.ckpt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=message) as raised:
        load_localizer(path)
    assert str(path) in str(raised.value)


@pytest.fixture
def saved(tmp_path):
    """Saves a small CMC with one thing changed: its method, or what `change` does to it."""

    def save(*, change=lambda _: None, **options):
        made = Cmc(CmcConfig(width=16, hidden=16), WIDTHS)
        change(made)
        return save_untrained(made, tmp_path / "odd.ckpt", **options)

    return save


def test_a_method_without_a_map_is_refused(saved):
    path = saved(method="cmc-images")
    with pytest.raises(CheckpointError, match=r"odd.ckpt holds cmc-images, which gives no map; .* cmc, sspl"):
        load_localizer(path)


def test_encoders_of_its_own_lead_to_a_bundle(saved):
    path = saved(change=lambda module: setattr(module, "encoders", torch.nn.Linear(2, 2)))
    with pytest.raises(CheckpointError, match=r"odd.ckpt has encoders of its own: export it to a bundle"):
        load_localizer(path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda module: delattr(module, "slope"), 'Missing key.* "slope"'),
        (lambda module: module.hparams["config"].update(smell=3), "unknown key smell"),
        (lambda module: module.hparams.pop("widths"), "widths"),
        (lambda module: module.hparams.update(widths=[1, 2, 3, 4]), "argument"),
        (lambda module: module.hparams.update(widths=[32, 25, 4]), "size mismatch"),
    ],
)
def test_a_checkpoint_of_another_version_is_named(saved, change, reason):
    with pytest.raises(CheckpointError, match=rf"(?s)odd.ckpt does not fit cmc as it is here.*{reason}"):
        load_localizer(saved(change=change))
