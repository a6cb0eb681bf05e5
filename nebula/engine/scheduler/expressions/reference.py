"""The tables of attributes in docs/requirements.md, checked by a test.

`python -m nebula.engine.scheduler.expressions.reference docs/requirements.md` writes them anew.
"""

from __future__ import annotations

import sys
from pathlib import Path

from nebula.engine.scheduler.expressions.attributes import DATASTORE, HOST, KIB, MIB, NETWORK, Attribute, Subject

_END = "<!-- end -->"
_UNITS = {KIB: ", in KiB", MIB: ", in MiB"}
_KINDS = {"many": "several", "ids": "ids"}


def table(subject: Subject) -> str:
    """A line an attribute."""
    head = ["| Attribute | Kind | What |", "|---|---|---|"]
    return "\n".join([*head, *(_line(name, attribute) for name, attribute in subject.attributes.items())])


def _line(name: str, attribute: Attribute) -> str:
    what = attribute.words + _UNITS.get(attribute.unit, "")
    return f"| `{name}` | {_KINDS.get(attribute.kind, attribute.kind)} | {what} |"


def refreshed(text: str) -> str:
    """The document with its tables, each between `<!-- NOUN -->` and `<!-- end -->`, as they are now."""
    for subject in (HOST, DATASTORE, NETWORK):
        head, mark, rest = text.partition(f"<!-- {subject.noun} -->\n")
        text = f"{head}{mark}{table(subject)}\n{rest[rest.index(_END) :]}"
    return text


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(refreshed(page.read_text(encoding="utf-8")), encoding="utf-8")
