"""The documentation's tables of attributes are those of the code."""

from __future__ import annotations

from pathlib import Path

from nebula.engine.scheduler.expressions.reference import refreshed

PAGE = Path(__file__).parents[5] / "docs" / "requirements.md"


def test_the_page_is_up_to_date() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert refreshed(text) == text, "run: python -m nebula.engine.scheduler.expressions.reference docs/requirements.md"
    assert "| `FREE_MEMORY` | number | total less measured, in KiB |" in text
