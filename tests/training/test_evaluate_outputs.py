"""Where a report goes: tables, JSON, the docs page, the manifest, the contact sheet."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.inference.manifest import Metric
from app.settings import OverlaySettings
from tests.training.made_up import MadeCase, deaf, encode, listener
from training.evaluation.outputs import (
    BEGIN,
    END,
    Provenance,
    all_tables,
    manifest_metrics,
    write_docs,
    write_json,
    write_metrics,
)
from training.evaluation.report_tables import case_table
from training.evaluation.score import evaluate_localizer
from training.evaluation.sheet import (
    COLUMNS,
    GAP_PX,
    HEADING_PX,
    PICTURE_PX,
    TILE_HEIGHT,
    TILE_WIDTH,
    sections,
    write_sheet,
)
from training.evaluation.tables import to_markdown
from training.metrics.localization import Rule

ROOT = Path(__file__).parents[2]
PROVENANCE = Provenance(
    benchmark="clips",
    split="test",
    bundle="default",
    version="1.0.0",
    fitted_on="nothing",
    checkpoint="",
    checkpoint_sha256="",
    day=date(2024, 2, 29),
    command="earsight-train evaluate clips DIR",
)


def test_docs_are_rewritten_between_their_markers_only(heard_report, tmp_path):
    page = tmp_path / "benchmarks.md"
    page.write_text(f"# Before\n\n{BEGIN}\nstale line\n{END}\n\nAfter\n", encoding="utf-8")
    for _ in range(2):
        write_docs(heard_report, PROVENANCE, page)
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# Before\n\n{BEGIN}\n")
    assert text.endswith(f"{END}\n\nAfter\n")
    assert "stale line" not in text
    assert text.count("| centre disc |") == 4  # three tables, and a bin of the sizes
    assert "Bundle `default` 1.0.0, 2024-02-29, 5 clips with boxes and 1 more" in text
    assert PROVENANCE.command in text


def test_a_page_without_markers_is_left_alone(heard_report, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("nothing here\n", encoding="utf-8")
    with pytest.raises(ValueError, match="no place"):
        write_docs(heard_report, PROVENANCE, page)
    assert page.read_text(encoding="utf-8") == "nothing here\n"


def test_the_committed_page_has_its_markers():
    text = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert text.count(BEGIN) == text.count(END) == 1
    assert text.index(BEGIN) < text.index(END)


def test_the_report_is_valid_json(heard_report, tmp_path):
    write_json(heard_report, PROVENANCE, tmp_path / "report.json")
    document = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert document["schema"] == "earsight.evaluation/2"
    assert document["report"]["rows"][0]["everywhere"]["success"]["absolute"]["value"] == 100
    assert document["report"]["cases"][0]["iou"]["area"] > 0.9
    assert {goal["met"] for goal in document["goals"]} == {True}


def test_goals_belong_to_the_development_clips(heard_report):
    titles = [table.title for table in all_tables(heard_report, PROVENANCE)]
    assert titles[-1] == "Goals"
    other = [table.title for table in all_tables(heard_report, replace(PROVENANCE, benchmark="is3"))]
    assert other == titles[:-1]


def test_manifest_metrics_carry_n_interval_and_the_centre_disc(heard_report, tmp_path):
    metrics = manifest_metrics(heard_report, dataset="made-up clips")
    write_metrics(metrics, tmp_path / "configs" / "metrics.json")
    listed = json.loads((tmp_path / "configs" / "metrics.json").read_text(encoding="utf-8"))
    assert tuple(Metric.model_validate(entry) for entry in listed) == metrics
    by_name = {metric.name: metric for metric in metrics}
    assert len(by_name) == len(metrics)
    assert by_name["ciou_absolute"].value == 100
    assert by_name["centre_disc_ciou_area"].n == 5
    assert by_name["presence_auc"].low is not None


def test_tables_hold_every_row_and_markdown_is_square(heard_report):
    for table in [*all_tables(heard_report, PROVENANCE), case_table(heard_report.cases)]:
        assert {len(row) for row in table.rows} == {len(table.header)}
        lines = [line for line in to_markdown(table).splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in lines}) == 1


def test_the_tables_say_how_many_groups_were_drawn():
    shared = {"group": "one video"}
    cases = [
        MadeCase("human", (0, 0), facts=shared),
        MadeCase("human", (9, 9), facts=shared),
        MadeCase("animal", (5, 5)),
    ]
    report = evaluate_localizer(listener, encode(cases)).report
    assert all_tables(report, PROVENANCE)[0].title.endswith("n = 3 in 2 groups")


@pytest.fixture(scope="module")
def many():
    """Fourteen cases of which a deaf map finds those with a single source in sight."""
    encoded = encode([MadeCase("human", (k % 10, (3 * k) % 10), extent=6) for k in range(14)])
    for index in range(7, 14):  # the later ones show a second thing in the same picture
        encoded.pictures.tokens[index, :, 10:, 1] = 1
    return encoded, evaluate_localizer(deaf, encoded)


def test_the_sheet_shows_the_best_the_middling_and_the_worst_once_each(many):
    _, evaluation = many
    shown = sections(evaluation.report)
    assert list(shown) == ["best", "median", "worst"]
    assert [len(members) for members in shown.values()] == [4, 4, 4]  # a third of fourteen
    assert len({index for members in shown.values() for index in members}) == 12
    ious = [case.iou[Rule.ABSOLUTE] for case in evaluation.report.cases]
    best, median, worst = ([ious[index] for index in members] for members in shown.values())
    assert min(best) >= max(median)
    assert min(median) >= max(worst)
    assert min(best) > 0.9
    assert max(worst) < 0.5


def test_the_sheet_opens_and_has_a_place_for_every_tile(many, tmp_path):
    encoded, evaluation = many
    path = tmp_path / "sheet.jpg"
    write_sheet(evaluation.report, encoded, evaluation.heatmaps, path, overlay=OverlaySettings())
    assert [entry.name for entry in tmp_path.iterdir()] == ["sheet.jpg"]
    with Image.open(path) as sheet:
        assert sheet.format == "JPEG"
        # Four tiles a section are two rows of three places.
        assert sheet.size == (
            GAP_PX + COLUMNS * (TILE_WIDTH + GAP_PX),
            GAP_PX + 3 * (HEADING_PX + 2 * (TILE_HEIGHT + GAP_PX)),
        )
        pixels = np.asarray(sheet.convert("RGB")).astype(int)
    filled = []
    for section in range(3):
        for place in range(2 * COLUMNS):
            row, column = divmod(place, COLUMNS)
            top = (section + 1) * HEADING_PX + (2 * section + row) * (TILE_HEIGHT + GAP_PX)
            left = GAP_PX + column * (TILE_WIDTH + GAP_PX)
            tile = pixels[top + 4 : top + PICTURE_PX - 4, left + 4 : left + TILE_WIDTH - 4]
            filled.append(bool((tile < 240).any()))
    assert filled == [True, True, True, True, False, False] * 3


def test_a_tile_shows_the_heat_on_the_left_and_the_truth_on_the_right(tmp_path):
    # The source fills the middle of a picture that is otherwise black, and a quarter of the red block is lit.
    encoded = encode([MadeCase("human", (4, 4), extent=8)])
    evaluation = evaluate_localizer(listener, encoded)
    path = tmp_path / "sheet.jpg"
    write_sheet(evaluation.report, encoded, evaluation.heatmaps, path, overlay=OverlaySettings())
    with Image.open(path) as sheet:
        pixels = np.asarray(sheet.convert("RGB")).astype(int)
    top, left = HEADING_PX, GAP_PX
    heated = pixels[top : top + PICTURE_PX, left : left + PICTURE_PX]
    outlined = pixels[top : top + PICTURE_PX, left + PICTURE_PX : left + 2 * PICTURE_PX]
    middle, corner = (112, 112), (20, 20)
    assert outlined[middle].tolist() == pytest.approx([254, 0, 0], abs=12)  # the frame as it is
    assert abs(heated[middle] - outlined[middle]).max() > 40  # under the heat
    assert heated[corner].max() < 12
    assert outlined[57, 112].argmax() == 1  # the outline is green
    assert outlined[112, 57].argmax() == 1
    assert outlined[112, 40].max() < 30


def test_few_cases_are_shown_once(heard_report):
    report = evaluate_localizer(listener, encode([MadeCase("human", (0, 0))])).report
    assert sections(report) == {"best": [0]}
    # Five scored cases: one each.
    assert [len(members) for members in sections(heard_report).values()] == [1, 1, 1]
    assert 3 not in {index for members in sections(heard_report).values() for index in members}
