"""The transition table drawn as Mermaid text: the generated parts of docs/lifecycle.md, checked by a test.

`python -m nebula.engine.lifecycle.diagram docs/lifecycle.md` writes them anew.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

from nebula.engine.lifecycle.states import Place
from nebula.engine.lifecycle.table import DONE, TABLE, Transition, legal_verbs

_END = "<!-- end -->"


def diagram(rows: Iterable[Transition] = TABLE) -> str:
    """A state diagram: the way of each verb through its transient places; what a host shows has its verb in brackets."""
    arrows = dict.fromkeys(arrow for row in rows for arrow in _arrows(row))
    lines = ["[*] --> PENDING: create", *arrows, f"{DONE.name} --> [*]"]
    return "\n".join(["stateDiagram-v2", *(f"    {line}" for line in lines)])


def table(rows: Iterable[Transition] = TABLE) -> str:
    """The same as a Markdown table, a line each row: with where a failure leads, and where a failure of the undo does."""
    head = ["| verb | from | through | ends in | if it fails | if its undo fails too |", "|---|---|---|---|---|---|"]
    return "\n".join([*head, *(_line(row) for row in rows)])


def refreshed(text: str) -> str:
    """The document with its generated parts, each between `<!-- NAME -->` and `<!-- end -->`, as the table is now."""
    for name, made in (("diagram", f"```mermaid\n{diagram()}\n```"), ("table", table())):
        head, mark, rest = text.partition(f"<!-- {name} -->\n")
        text = f"{head}{mark}{made}\n{rest[rest.index(_END) :]}"
    return text


def _arrows(row: Transition) -> Iterator[str]:
    label = _label(row)
    for source in row.sources:
        steps = [source, *(phase.transient for phase in row.phases), row.success or source]
        yield f"{steps[0].name} --> {steps[1].name}: {label}"
        for before, after in pairwise(steps[1:]):
            yield f"{before.name} --> {after.name}"
    for phase in row.phases:
        for place in dict.fromkeys((phase.failure, phase.stuck)):
            yield f"{phase.transient.name} --> {place.name}: fails"


def _label(row: Transition) -> str:
    return row.verb if row.verb in legal_verbs(row.sources[0]) else f"({row.verb})"


def _line(row: Transition) -> str:
    cells = (
        _label(row),
        _names(row.sources),
        _names(phase.transient for phase in row.phases),
        row.success.name if row.success else "where it was",
        _names(phase.failure for phase in row.phases),
        _names(phase.stuck for phase in row.phases),
    )
    return "| " + " | ".join(cells) + " |"


def _names(places: Iterable[Place]) -> str:
    return ", ".join(dict.fromkeys(place.name for place in places)) or "–"


if __name__ == "__main__":
    document = Path(sys.argv[1])
    document.write_text(refreshed(document.read_text()))
