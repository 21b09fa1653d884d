import re

import pytest

from app.errors import DecodeTimeout, MediaCorrupt, Overloaded
from app.results.model import ModelInfo
from app.telemetry.metrics import Metrics


def test_applications_do_not_share_their_figures():
    one, other = Metrics(), Metrics()
    one.frames.inc(3)
    assert one.registry.get_sample_value("earsight_frames_total") == 3
    assert other.registry.get_sample_value("earsight_frames_total") == 0


def test_decode_failures_are_counted_by_code_and_killed_children_too():
    metrics = Metrics()
    stalled = DecodeTimeout("z", limit=20.0, setting="EARSIGHT_DECODE__STALL_S")
    for error in (MediaCorrupt("x"), MediaCorrupt("y"), stalled, Overloaded("not the media")):
        metrics.count_failure(error)
    value = metrics.registry.get_sample_value
    assert value("earsight_decode_failures_total", {"code": "media_corrupt"}) == 2
    assert value("earsight_decode_failures_total", {"code": "decode_timeout"}) == 1
    assert value("earsight_decode_failures_total", {"code": "overloaded"}) is None
    assert value("earsight_child_killed_total", {"why": "stall"}) == 1


def test_stage_is_measured_even_if_it_fails():
    metrics = Metrics()
    with pytest.raises(RuntimeError), metrics.stage("decode"):
        raise RuntimeError
    assert metrics.registry.get_sample_value("earsight_stage_seconds_count", {"stage": "decode"}) == 1


def test_model_info_names_only_the_bundles_of_now():
    metrics = Metrics()
    metrics.set_models([ModelInfo("a", "1", "f" * 64, "CPUExecutionProvider")])
    metrics.set_models([ModelInfo("a", "2", "e" * 64, "CPUExecutionProvider")])
    text = metrics.render().decode()
    assert re.findall(r'earsight_model_info\{.*version="(\d)"', text) == ["2"]


def test_reason_of_a_job_is_one_of_the_known_codes_or_none():
    metrics = Metrics()
    for code in (None, "worker_lost", "text from somewhere else"):
        metrics.count_job("failed", code)
    (family,) = metrics.jobs.collect()
    reasons = {sample.labels["reason"] for sample in family.samples}
    assert reasons == {"", "worker_lost", "internal"}
