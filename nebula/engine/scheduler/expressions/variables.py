"""`$NAME`, `$VECTOR[ATTRIBUTE]` and `$VECTOR[ATTRIBUTE, OTHER=VALUE]` of the VM's own template, put in before reading.

What is put in is taken as it is: a value with variables of its own is refused, so nothing can go in circles.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from nebula.engine.scheduler.expressions.failures import failure

_VARIABLE = re.compile(
    r"""\\\$ | \$(?:(?P<name>[A-Za-z][A-Za-z0-9_]*)
    (?:\[\s*(?P<part>[A-Za-z0-9_]+)\s*(?:,\s*(?P<key>[A-Za-z0-9_]+)\s*=\s*"?(?P<value>[^\]"]*?)"?\s*)?\])?)?""",
    re.VERBOSE,
)


def substituted(text: str, template: Mapping[str, Any], what: str = "SCHED_REQUIREMENTS") -> str:
    """The expression with the template's values; a backslash keeps a `$`. UsageError for what the template lacks."""
    if "$" not in text:
        return text
    return _VARIABLE.sub(lambda found: _value(found, text, template, what), text)


def _value(found: re.Match[str], text: str, template: Mapping[str, Any], what: str) -> str:
    if found[0] == "\\$":
        return "$"
    if found["name"] is None:
        raise failure(what, text, found.start(), "$ without a name", "write $NAME, $VECTOR[ATTRIBUTE], or \\$ for the sign")
    value = _looked_up(found, template)
    if value is None or isinstance(value, Mapping | list):
        raise failure(
            what, text, found.start(), f"the VM's template has no {found[0][:60]}", "set it, or write the value itself"
        )
    shown = "YES" if value is True else "NO" if value is False else str(value)
    if "$" in shown:
        raise failure(
            what, text, found.start(), f"{found[0][:60]} holds a variable itself", "a variable's value is taken as it is"
        )
    return shown


def _looked_up(found: re.Match[str], template: Mapping[str, Any]) -> Any:
    value = template.get(found["name"].upper())
    if found["part"] is None:
        return value
    groups = [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, Mapping)]
    key = (found["key"] or "").upper()
    for group in groups:
        if not key or str(group.get(key)) == found["value"]:
            return group.get(found["part"].upper())
    return None
