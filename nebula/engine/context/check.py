"""What a template's CONTEXT must pass before there is a CD."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nebula.engine.context.script import render
from nebula.engine.context.variables import variables
from nebula.errors import UsageError


def check_context(given: Mapping[str, Any]) -> None:
    """UsageError for names and values that no context CD carries."""
    context = {str(key).upper(): "" if value is None else str(value) for key, value in given.items()}
    if context.get("FILES"):
        raise UsageError(
            "CONTEXT/FILES is not taken: it names files of the engine's machine",
            hint="nebula image create NAME --path FILE --type context, then CONTEXT/FILES_DS = NAME",
        )
    render(variables("vm", context, (), ()))
