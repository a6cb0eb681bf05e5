"""A template as a value: upper-case names, and a text, a group of texts (a vector), or a list of those for each."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from nebula.errors import UsageError

Vector = dict[str, str]
Value = str | Vector
Template = dict[str, Value | list[Value]]
LARGEST = 1 << 20
"""Characters of a template in any syntax."""
LONGEST = 256 * 1024
"""Characters of a value."""
LONGEST_NAME = 128
MOST = 4096
"""Values of a template."""
_NAME = re.compile(r"[A-Za-z0-9_]+", re.ASCII)
_UNREADABLE = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def name_of(key: object) -> str:
    """An attribute's name in upper case, a `-` as `_`; UsageError for what cannot be one."""
    name = str(key)
    if len(name) <= LONGEST_NAME:
        name = name.replace("-", "_")
        if _NAME.fullmatch(name):
            return name.upper()
    raise UsageError(
        f"{name[:60]!r} is no attribute name",
        cause=f"letters a to z, digits and _ only, at most {LONGEST_NAME}",
        hint="rename it",
    )


def text_fault(text: str) -> str:
    """Why a text cannot be a value; "" if it can."""
    if len(text) > LONGEST:
        return f"a value has more than {LONGEST >> 10} KiB"
    found = _UNREADABLE.search(text)
    return f"a value holds the character {found[0]!a}, which no template can" if found else ""


def plain(given: Mapping[str, Any]) -> Template:
    """A template made of nested values (from YAML, JSON or a program). UsageError for what OpenNebula's syntax has no words
    for: groups in groups, lists of lists, strange characters, too much of anything.
    """
    template: Template = {}
    for key, value in given.items():
        name = name_of(key)
        if name in template:
            raise UsageError(f"{name} is there twice", cause=f"{key} is another spelling of it", hint="leave one out")
        if isinstance(value, (list, tuple)):
            if items := [_item(name, item) for item in value]:
                template[name] = items[0] if len(items) == 1 else items
        else:
            template[name] = _item(name, value)
    require_size(template)
    return template


def require_size(template: Template) -> None:
    """UsageError for more values than a template may have."""
    count = 0
    for value in template.values():
        for item in value if isinstance(value, list) else [value]:
            count += max(1, len(item)) if isinstance(item, dict) else 1
    if count > MOST:
        raise UsageError(f"the template has more than {MOST} values", cause=f"{count}", hint="leave out what no VM needs")


def _item(name: str, value: Any) -> Value:
    if not isinstance(value, Mapping):
        return _text(name, value)
    vector: Vector = {}
    for key, item in value.items():
        part = name_of(key)
        if part in vector:
            raise UsageError(f"{name}/{part} is there twice", cause=f"{key} is another spelling of it", hint="leave one out")
        vector[part] = _text(f"{name}/{part}", item)
    return vector


def _text(where: str, value: Any) -> str:
    if isinstance(value, (Mapping, list, tuple)):
        kind = "a group" if isinstance(value, Mapping) else "a list"
        raise UsageError(
            f"{where} is {kind} where a template has one value",
            cause="OpenNebula's templates nest no deeper than NAME=[KEY=value]",
            hint="write the values with commas in one text, or as attributes of their own",
        )
    if isinstance(value, bool):
        return "YES" if value else "NO"
    text = "" if value is None else str(value)
    if fault := text_fault(text):
        raise UsageError(f"{where}: {fault}", hint="let a small script fetch the rest")
    return text


def merged(base: Template, extra: Template, *, grow: Collection[str] = ()) -> Template:
    """The template with another's attributes in the place of those of the same name, as OpenNebula appends. Of those named
    in `grow`, where both have one group, keys are replaced one by one.
    """
    found = dict(base)
    for name, value in extra.items():
        before = found.get(name)
        if name in grow and isinstance(before, dict) and isinstance(value, dict):
            found[name] = {**before, **value}
        else:
            found[name] = value
    return found
