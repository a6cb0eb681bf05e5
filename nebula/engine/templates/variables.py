"""`$NAME`, `$VECTOR[KEY]` and `$VECTOR[KEY, OTHER=VALUE]` in a context, filled when a VM is created.

A name that means nothing stays as it is written: a password may hold a `$`. In scripts and user data, where `$` is the
shell's, only what the template asks for is filled.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nebula.model.template.inputs import INPUTS

_VARIABLE = re.compile(
    r"""\\\$ | \$(?P<name>[A-Za-z][A-Za-z0-9_]*)
    (?:\[\s*(?P<part>[A-Za-z0-9_]+)\s*(?:,\s*(?P<key>[A-Za-z0-9_]+)\s*=\s*"?(?P<value>[^\]"]*?)"?\s*)?\])?""",
    re.VERBOSE | re.ASCII,
)
_SCRIPTS = frozenset({"START_SCRIPT", "START_SCRIPT_BASE64", "USER_DATA", "USERDATA"})
Group = Mapping[str, Any]


def filled(context: Group, template: Group, groups: Mapping[str, Sequence[Group]]) -> dict[str, Any]:
    """The context with its variables' values: of the template's attributes, and of `groups` (NIC, NETWORK, IMAGE, USER) by
    their keys.
    """
    asked = template.get(INPUTS)
    names = frozenset(asked) if isinstance(asked, Mapping) else frozenset[str]()
    return {
        key: _in_script(value, template, names) if key in _SCRIPTS else _everywhere(value, template, groups)
        for key, value in context.items()
    }


def _in_script(value: Any, template: Group, names: frozenset[str]) -> Any:
    def put(found: re.Match[str]) -> str:
        name = (found["name"] or "").upper()
        known = name in names and found["part"] is None
        return _text(template.get(name)) if known else found[0]

    return _VARIABLE.sub(put, value) if isinstance(value, str) and names else value


def _everywhere(value: Any, template: Group, groups: Mapping[str, Sequence[Group]]) -> Any:
    def put(found: re.Match[str]) -> str:
        if found["name"] is None:
            return "$"
        value = _looked_up(found, template, groups)
        return found[0] if value is None else _text(value)

    return _VARIABLE.sub(put, value) if isinstance(value, str) and "$" in value else value


def _looked_up(found: re.Match[str], template: Group, groups: Mapping[str, Sequence[Group]]) -> Any:
    name = found["name"].upper()
    if found["part"] is None:
        value = template.get(name)
        return None if isinstance(value, Mapping | list) else value
    if name not in groups:
        value = template.get(name)
        known: Sequence[Any] = value if isinstance(value, list) else [value]
    else:
        known = groups[name]
    wanted, part = _wanted(found), found["part"].upper()
    values = (group.get(part) for group in known if isinstance(group, Mapping) and wanted(group))
    return next((value for value in values if value not in (None, "")), "" if name in groups else None)


def _wanted(found: re.Match[str]) -> Callable[[Group], bool]:
    key, value = (found["key"] or "").upper(), found["value"]
    return lambda group: not key or str(group.get(key)) == value


def _text(value: Any) -> str:
    return "YES" if value is True else "NO" if value is False else "" if value is None else str(value)
