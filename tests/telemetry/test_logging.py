import io
import json
import logging

import pytest

from app.settings import TelemetrySettings
from app.telemetry.logging import configure_logging, log_ids


@pytest.fixture
def root_logger():
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield root
    root.handlers[:], level = before
    root.setLevel(level)
    logging.getLogger("uvicorn.access").disabled = False


def lines_of(log_format, root_logger, write, level="info"):
    stream = io.StringIO()
    configure_logging(TelemetrySettings(log_format=log_format, log_level=level), stream)
    write(logging.getLogger("app.test"))
    return stream.getvalue().splitlines()


def test_json_lines_hold_time_level_event_and_fields(root_logger):
    lines = lines_of("json", root_logger, lambda log: log.info("request", extra={"status": 200, "ms": 1.5}))
    record = json.loads(lines[0])
    assert record["event"] == "request"
    assert record["level"] == "INFO"
    assert (record["status"], record["ms"]) == (200, 1.5)
    assert record["ts"].endswith("+00:00")


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_the_ids_of_request_and_job_are_on_every_line(root_logger, log_format):
    with log_ids(request_id="id-17", job_id="job_4"):
        lines = lines_of(log_format, root_logger, lambda log: log.info("event"))
    assert "id-17" in lines[0]
    assert "job_4" in lines[0]
    assert "job_id" not in lines_of(log_format, root_logger, lambda log: log.info("event"))[0]


def test_a_line_about_another_job_keeps_the_id_of_that(root_logger):
    with log_ids(request_id=None, job_id="job_4"):
        lines = lines_of("json", root_logger, lambda log: log.info("event", extra={"job_id": "job_5"}))
    assert json.loads(lines[0])["job_id"] == "job_5"


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_line_breaks_in_values_cannot_forge_a_line(root_logger, log_format):
    forged = 'x\r\n{"event":"forged"}\x1b[31m'
    lines = lines_of(log_format, root_logger, lambda log: log.info("event", extra={"name_": forged}))
    assert len(lines) == 1
    assert "\x1b" not in lines[0]


def test_json_keeps_an_exception_on_its_line(root_logger):
    def write(log):
        try:
            raise ValueError("cause")
        except ValueError:
            log.exception("failure")

    lines = lines_of("json", root_logger, write)
    assert len(lines) == 1
    assert "ValueError: cause" in json.loads(lines[0])["exc_info"]


def test_less_severe_lines_are_dropped(root_logger):
    assert lines_of("json", root_logger, lambda log: log.info("event"), level="warning") == []


def test_configuring_twice_does_not_double_the_lines(root_logger):
    configure_logging(TelemetrySettings(), io.StringIO())
    assert len(lines_of("json", root_logger, lambda log: log.info("event"))) == 1
