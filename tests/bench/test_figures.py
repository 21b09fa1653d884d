import json

import pytest

from app.bench.figures import Figure, machine, markdown, tell_figures


@pytest.mark.parametrize(("value", "met"), [(0.9, False), (1.0, True), (2.0, True), (2.1, False)])
def test_a_budget_includes_its_bounds(value, met):
    assert Figure("f", value, "x", "", least=1.0, most=2.0).met is met
    assert Figure("f", value, "x", "").met is None


def test_repeated_measurements_give_their_median_and_range():
    figure = Figure.over("f", [3.0, 1.0, 2.5], "x", "", most=2.0)
    assert (figure.value, figure.interval, figure.met) == (2.5, (1.0, 3.0), False)
    assert Figure.over("f", [3.0], "x", "").interval is None


def test_figures_are_a_table_in_markdown():
    figures = [
        Figure("speed", 0.5, "x", "a clip", least=1.0),
        Figure.over("size", [3.0, 4.0], "MB", "two files", most=4),
        Figure("errors", 0.0, "", "all"),
    ]
    assert (
        markdown(figures, about={"cores": 2, "processor": None, "python": "3.11"})
        == """\
cores 2, python 3.11.

| figure | value | budget | measured on |
|---|---:|---|---|
| speed | 0.5 x | at least 1: MISSED | a clip |
| size | 3.5 [3, 4] MB | at most 4: kept | two files |
| errors | 0 |  | all |"""
    )


def test_figures_are_told_to_people_and_to_programs(tmp_path, capsys):
    figures = [
        Figure.over("speed", [0.25, 0.75], "x", "a clip", least=1.0),
        Figure("size", 3.0, "MB", "a file"),
    ]
    tell_figures(figures, about=machine(), json_file=tmp_path / "new" / "figures.json")
    assert "| speed | 0.5 [0.25, 0.75] x |" in capsys.readouterr().out
    document = json.loads((tmp_path / "new" / "figures.json").read_text())
    assert [figure["met"] for figure in document["figures"]] == [False, None]
    assert document["figures"][0]["interval"] == [0.25, 0.75]
    assert document["measured_with"]["cores"] >= 1
