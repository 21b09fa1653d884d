import pytest

pytest.importorskip("litserve", reason="the extra benchmarks is not installed")

from app.bench.clips import SAMPLE
from app.settings import InferenceSettings, Settings
from benchmarks.compare import contenders, quality_figures, speed_figures


@pytest.mark.slow
@pytest.mark.weights
def test_all_three_servers_answer_and_agree():
    settings = Settings(inference=InferenceSettings(device="cpu"))
    with contenders(settings) as asked:
        quality = quality_figures(asked, SAMPLE, content="the sample clip")
        speed = speed_figures(asked, SAMPLE, 9.0, content="the sample clip", turns=2)
    assert [figure.value < 0.02 for figure in quality[::2]] == [True, True]
    assert [figure.value > 90 for figure in quality[1::2]] == [True, True]
    factors, loads, ratios = speed[:6:2], speed[1:6:2], speed[6::2]
    assert all(figure.value > 0 for figure in (*factors, *loads))
    for theirs, ratio in zip(factors[1:], ratios, strict=True):
        low, high = ratio.interval
        assert low <= factors[0].interval[1] / theirs.interval[0]
        assert high >= factors[0].interval[0] / theirs.interval[1]
