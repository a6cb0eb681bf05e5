"""nebula export."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nebula.cli.output.formats import yaml_text

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation

_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)


def export(context: Context, line: Invocation) -> int:
    """Print a document for everything that exists."""
    with context.reader() as engine:
        found = engine.declarations.export(line.texts("kinds"))
    if found:
        context.write(yaml_of([item.body for item in found]))
    else:
        context.say("nothing of that kind exists")
    return 0


def yaml_of(documents: Sequence[Mapping[str, Any]]) -> str:
    """One file of them all."""
    return "\n---\n".join(yaml_text(_plain(document)) for document in documents)


def _plain(value: Any) -> Any:
    """Numbers without quotes: they are read as the same text."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else value
