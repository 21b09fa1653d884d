import numpy as np
import pytest

from app.telemetry.inference import watched
from app.telemetry.metrics import Metrics


def test_every_run_is_counted_with_its_batch(tiny_bundle):
    metrics, seconds = Metrics(), []
    bundle = watched(tiny_bundle, metrics, seconds.append)
    side = bundle.manifest.input_size
    for count in (3, 1):
        bundle.visual(np.zeros((count, side, side, 3), np.uint8))
    value = metrics.registry.get_sample_value
    labels = {"graph": "visual"}
    assert value("earsight_infer_runs_total", labels) == 2
    assert value("earsight_infer_items_total", labels) == 4
    assert [value("earsight_batch_items_bucket", {**labels, "le": le}) for le in ("1.0", "2.0", "4.0")] == [
        1,
        1,
        2,
    ]
    named = {**labels, "model": "tiny", "provider": "CPUExecutionProvider"}
    assert value("earsight_inference_seconds_sum", named) == pytest.approx(sum(seconds))
    assert len(seconds) == 2


def test_the_bundle_itself_stays_unwatched(tiny_bundle):
    assert (
        watched(tiny_bundle, Metrics(), lambda _: None).runners["visual"] is not tiny_bundle.runners["visual"]
    )
