from pathlib import Path

from app.settings_page import settings_page

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"


def test_settings_page_is_current():
    current = PAGE.read_text(encoding="utf-8")
    assert current == settings_page(), "run: python -m app.settings_page > docs/settings.md"


def test_settings_page_names_every_setting():
    text = settings_page()
    for name in ("EARSIGHT_SERVER__DRAIN_S", "EARSIGHT_SCRATCH_DIR", "EARSIGHT_LIMITS__MAX_PIXELS"):
        assert f"`{name}`" in text
    assert "auto, cpu, cuda" in text
