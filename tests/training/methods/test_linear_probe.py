import torch

from training.methods.linear_probe import Features, fit_probe


def clusters(n_classes, *, spread):
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(n_classes, 20, generator=generator)
    labels = torch.arange(400) % n_classes
    seen = centres[labels] + spread * torch.randn(400, 20, generator=generator)
    return Features(seen[:300], labels[:300]), Features(seen[300:], labels[300:])


def test_a_probe_reads_what_can_be_read():
    accuracy = fit_probe(*clusters(8, spread=0.1), rate=0.1, epochs=60)
    assert (accuracy.top1, accuracy.top5) == (1, 1)


def test_a_probe_reads_no_more_than_chance_from_noise():
    train, val = clusters(8, spread=0.0)
    noise = Features(torch.randn(300, 20, generator=torch.Generator().manual_seed(1)), train.labels)
    accuracy = fit_probe(noise, Features(noise.seen[:100], val.labels.roll(1)), rate=0.1, epochs=5)
    assert accuracy.top1 < 0.35
    assert accuracy.top1 < accuracy.top5 < 1
