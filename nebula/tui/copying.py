"""What can be copied of the row under the cursor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nebula.cli.output.values import human

if TYPE_CHECKING:
    from nebula.tui.listpage import ListPage


def copies(page: ListPage, line: str) -> dict[str, str]:
    """What it is called -> the text: every column that has something, then details, then the last command line."""
    key = page.grid.cursor
    found: dict[str, str] = {}
    if key is not None and key in page.grid.rows:
        row, columns = page.grid.rows.row(key), page.fields.columns
        found = {
            column.name: human(column.show, row[index], 0.0) for index, column in enumerate(columns) if column.show != "age"
        }
        marked = page.grid.rows.marked
        if marked:
            found["names of all marked"] = "\n".join(target.name for target in page.chosen())
    if page.detail.text:
        found["details"] = page.detail.text
    if line:
        found["command line"] = line
    return {name: text for name, text in found.items() if text and text != "-"}
