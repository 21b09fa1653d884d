import onnxruntime
import pytest
import torch

from app.inference.bundle import SHIPPED_BUNDLES
from training.encoders.events import EVENT_NAMES
from training.manifest import describe_graph
from training.methods.language_guidance.naming import event_evidence
from training.methods.language_guidance.naming_graph import name_graph

EVERY = torch.ones(2, dtype=torch.bool)
LINK = torch.tensor([[1.0, 0.0], [0.0, 0.5]])


def graph_of(model):
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])

    def run(looks, events):
        (evidence,) = session.run(["evidence"], {"looks": looks.numpy(), "events": events.numpy()})
        return torch.from_numpy(evidence)

    return run


def test_evidence_worked_out_by_hand_shares_the_whole():
    run = graph_of(name_graph(LINK, EVERY).SerializeToString())
    evidence = run(torch.tensor([[0.75, 0.25], [0.25, 0.75]]), torch.full((2, 2), 0.5))
    first, second = 0.77 / (0.77 + 0.145), 0.27 / (0.27 + 0.395)
    torch.testing.assert_close(evidence, torch.tensor([[first, 1 - first], [second, 1 - second]]))


def test_what_may_not_be_said_has_no_evidence_and_takes_none():
    run = graph_of(name_graph(LINK, torch.tensor([False, True])).SerializeToString())
    evidence = run(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.9, 0.1]]))
    torch.testing.assert_close(evidence, torch.tensor([[0.0, 1.0]]))


def test_without_anything_heard_there_is_no_evidence():
    run = graph_of(name_graph(LINK, EVERY).SerializeToString())
    assert not run(torch.tensor([[0.5, 0.5]]), torch.zeros(1, 2)).any()


@pytest.mark.parametrize("count", [1, 3])
def test_the_graph_ranks_events_as_the_formula_does(count):
    torch.manual_seed(count)
    link = (torch.rand(50, 30) * (torch.rand(50, 30) > 0.9)).half().float()
    looks, heard = torch.softmax(4 * torch.randn(count, 50), 1), torch.rand(count, 30)
    evidence = event_evidence(looks, heard, link)
    run = graph_of(name_graph(link, torch.ones(30, dtype=torch.bool)).SerializeToString())
    torch.testing.assert_close(run(looks, heard), evidence / evidence.sum(1, keepdim=True))


def test_only_links_take_room():
    size = len(name_graph(torch.zeros(1000, 521), torch.ones(521, dtype=torch.bool)).SerializeToString())
    link = torch.zeros(1000, 521)
    link[::10, ::10] = 0.5
    more = len(name_graph(link, torch.ones(521, dtype=torch.bool)).SerializeToString()) - size
    assert 6 * 5300 <= more < 6 * 5300 + 100
    assert size < 10_000


def test_the_committed_graph_hears_a_dog_in_what_looks_like_one():
    path = SHIPPED_BUNDLES / "default" / "name.onnx"
    looks, heard = torch.full((2, 1000), 1e-6), torch.zeros(2, 521)
    looks[0, 207] = looks[1, 402] = 0.9  # golden retriever, acoustic guitar
    for name in ("Dog", "Acoustic guitar", "Music", "Silence"):
        heard[:, EVENT_NAMES.index(name)] = 0.5
    evidence = graph_of(path.read_bytes())(looks, heard)
    assert [EVENT_NAMES[best] for best in evidence.argmax(1)] == ["Dog", "Acoustic guitar"]
    torch.testing.assert_close(evidence.sum(1), torch.ones(2))
    entry = describe_graph(path, role="name")
    assert [spec.shape for spec in (*entry.inputs, *entry.outputs)] == [("M", 1000), ("M", 521), ("M", 521)]
    assert entry.size_bytes < 200_000
