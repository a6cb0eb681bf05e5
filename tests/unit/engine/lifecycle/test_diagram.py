"""docs/lifecycle.md shows the table as it is."""

from __future__ import annotations

from pathlib import Path

from nebula.engine.lifecycle.diagram import diagram, refreshed, table
from nebula.engine.lifecycle.table import TABLE, legal_verbs

DOCUMENT = Path(__file__).parents[4] / "docs" / "lifecycle.md"


def test_the_document_shows_the_table_as_it_is() -> None:
    text = DOCUMENT.read_text()
    assert diagram() in text
    assert table() in text
    assert refreshed(text) == text, "run: python -m nebula.engine.lifecycle.diagram docs/lifecycle.md"


def test_every_row_and_every_place_is_drawn() -> None:
    drawn = diagram()
    for row in TABLE:
        typed = row.verb in legal_verbs(row.sources[0])
        label = row.verb if typed else f"({row.verb})"
        for source in row.sources:
            assert f"    {source.name} --> " in drawn
        assert f": {label}\n" in drawn + "\n"
        for phase in row.phases:
            assert f"{phase.transient.name} --> {phase.failure.name}: fails" in drawn
    assert len(table().splitlines()) == len(TABLE) + 2
