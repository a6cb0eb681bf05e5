"""The declared attributes as Markdown: the generated part of docs/template.md, checked by a test.

`python -m nebula.engine.machines.hardware.page docs/template.md` writes it anew.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from nebula.engine.machines.hardware.declared import Attribute, blocks

_START, _END = "<!-- attributes -->\n", "<!-- end -->"
_WORDS = {"none": "not applicable"}


def tables() -> str:
    """A section a block; attributes that share what is said of them share a line."""
    return "\n".join(
        "\n".join(_section(block or "The template itself", rows)) for block, rows in blocks() if block != "NIC_DEFAULT"
    )


def refreshed(text: str) -> str:
    """The document with its generated part as the code is now."""
    head, mark, rest = text.partition(_START)
    return f"{head}{mark}{tables()}\n{rest[rest.index(_END) :]}"


def _section(title: str, attributes: Iterable[Attribute]) -> Iterator[str]:
    yield from (f"### {title}", "", "| Attribute | Takes | | |", "|---|---|---|---|")
    for (status, takes, note), alike in groupby(attributes, lambda one: (one.status, one.kind.takes, one.note)):
        names = ", ".join(f"`{attribute.name}`" for attribute in alike)
        yield f"| {names} | {takes} | {_WORDS.get(status, status)} | {note.replace('<', '&lt;')} |"
    yield ""


if __name__ == "__main__":
    document = Path(sys.argv[1])
    document.write_text(refreshed(document.read_text()))
