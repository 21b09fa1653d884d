import pytest
import torch

from training.loop.checkpoint import read_checkpoint
from training.loop.fitting import RunOptions, fit
from training.loop.loading import TrainingData
from training.loop.seeding import seed_all
from training.methods.language_guidance.module import Embedding, LanguageGuidance
from training.methods.language_guidance.pictures import ClassBatches, Features
from training.metrics.retrieval import rank, recall_at

N_TRAINED = 8


def recall_at_one(module, part):
    vectors = module.embedding(part.features).detach().numpy()
    return recall_at(rank(vectors, part.labels.numpy()), 1).mean()


@pytest.fixture
def fitted(parts, tmp_path):
    """Trains; returns the module at its best, R@1 of unseen classes before, and after."""

    def train(config, *, similarity=None, name="run"):
        train, val, unseen = parts
        seed_all(0)
        module = LanguageGuidance(
            config, width=train.features.shape[1], n_classes=N_TRAINED, similarity=similarity
        )
        before = recall_at_one(module, unseen)
        plan = ClassBatches(train.labels, config.batch, per_class=config.per_class, seed=0)
        data = TrainingData(Features(train), Features(val), batch=config.batch, plan=plan)
        run = RunOptions(tmp_path / name, config.epochs, devices=1, accelerator="cpu")
        done = fit(module, data, run, say=lambda _line: None)
        module.load_state_dict(read_checkpoint(done.best).state)
        return module, before, recall_at_one(module, unseen)

    return train


@pytest.mark.parametrize("base", ["multisimilarity", "proxy-anchor", "infonce"])
def test_what_is_learnt_of_some_classes_helps_with_unseen_ones(fitted, small, base):
    _, before, after = fitted(small(base=base, epochs=20))
    assert after > before + 0.1


def test_guidance_changes_what_is_learnt_and_other_names_change_it_otherwise(fitted, small):
    codes = torch.nn.functional.normalize(torch.randn(N_TRAINED, 4, generator=torch.manual_seed(0)), dim=1)
    similarity = codes @ codes.T
    order = torch.arange(N_TRAINED).roll(1)
    guided = small(guidance="elg", epochs=2)
    weights = [
        fitted(config, similarity=given, name=name)[0].embedding.project.weight
        for config, given, name in (
            (small(epochs=2), None, "none"),
            (guided, similarity, "elg"),
            (guided, similarity[order][:, order], "shuffled"),
            (guided, similarity, "again"),
        )
    ]
    assert not torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[1], weights[2])
    assert torch.equal(weights[1], weights[3])


def test_strong_guidance_gives_images_the_similarities_of_language(fitted, small, parts):
    similarity = torch.full((N_TRAINED, N_TRAINED), 0.0)
    similarity[:4, :4] = similarity[4:, 4:] = 0.9
    module, _, _ = fitted(
        small(guidance="elg", weight=100.0, shift=0.0, base="infonce", epochs=20), similarity=similarity
    )
    vectors = module.embedding(parts[0].features).detach()
    means = torch.stack([vectors[parts[0].labels == label].mean(0) for label in range(N_TRAINED)])
    cosines = means @ means.T
    within = cosines[:4, :4][~torch.eye(4, dtype=torch.bool)].mean()
    assert within > cosines[:4, 4:].mean() + 0.2


def test_the_embedding_begins_with_the_similarities_of_the_features():
    features = torch.randn(20, 6)
    embedding = Embedding(6, features=6)
    embedding.mean.copy_(features.mean(0))
    vectors, centred = embedding(features), embedding.centred(features)
    torch.testing.assert_close(vectors @ vectors.T, centred @ centred.T)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(20))
