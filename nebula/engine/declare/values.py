"""Values of documents as comparable text, attribute by attribute; secrets that a document leaves out are left alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nebula.engine.api.values import AttributeChange
from nebula.engine.machines.template import attribute_name
from nebula.engine.secrets import hide
from nebula.errors import UsageError

Document = dict[str, Any]
Hide = Callable[[Document], Document]
"""A document as people may see it."""


def flat(value: Any, path: str = "") -> dict[str, str]:
    """Path -> text of everything that is not empty: {"disk[0]/size": "10240"}."""
    found: dict[str, str] = {}
    if isinstance(value, Mapping):
        for key, item in value.items():
            found |= flat(item, f"{path}/{key}" if path else str(key))
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            found |= flat(item, f"{path}[{number}]")
    elif value not in (None, ""):
        found[path] = text(value)
    return found


def text(value: Any) -> str:
    """A single value as documents spell it."""
    return ("YES" if value else "NO") if isinstance(value, bool) else str(value)


def changes(before: Document, after: Document, hide: Hide) -> list[AttributeChange]:
    """What differs, in the order of the paths; a secret that `after` does not name is as it should be."""
    old, new, old_shown, new_shown = flat(before), flat(after), flat(hide(before)), flat(hide(after))
    found = []
    for path in sorted({*old, *new}):
        left_out = path not in new and old[path] != old_shown.get(path)
        if old.get(path) != new.get(path) and not left_out:
            found.append(AttributeChange(path=path, before=old_shown.get(path), after=new_shown.get(path)))
    return found


def with_secrets(before: Any, after: Any, hidden: Any) -> Any:
    """The new value, and those secrets of the old one that it does not name; `hidden` is the old one as people see it."""
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return after
    kept = {key: item for key, item in before.items() if key not in after and item != hidden[key] and not _groups(item)}
    return {
        **kept,
        **{key: with_secrets(before.get(key), item, hidden.get(key) if key in before else None) for key, item in after.items()},
    }


def _groups(value: Any) -> bool:
    return isinstance(value, (Mapping, list))


def merged(before: Any, after: Any) -> dict[str, Any]:
    """The changes that make open attributes what a document says: an empty value takes one away."""
    old, new = group(before, "attributes"), group(after, "attributes")
    hidden = hide(old)
    gone = {key: "" for key, value in old.items() if key not in new and (_groups(value) or value == hidden[key])}
    return {
        **gone,
        **{key: with_secrets(old.get(key), value, hidden.get(key)) for key, value in new.items() if old.get(key) != value},
    }


def upper(value: Any) -> Any:
    """The same with attributes' names as OpenNebula writes them, at every level."""
    if isinstance(value, Mapping):
        return {attribute_name(str(key).replace("-", "_")): upper(item) for key, item in value.items()}
    return [upper(item) for item in value] if isinstance(value, (list, tuple)) else value


def group(value: Any, what: str) -> dict[str, Any]:
    """A group of values; UsageError for anything else."""
    if value in (None, ""):
        return {}
    if not isinstance(value, Mapping):
        raise UsageError(f"{what} must be a group of values", cause=f"got {str(value)[:60]!r}", hint=f"{what}: {{KEY: value}}")
    return dict(value)


def listed(value: Any) -> Sequence[Any]:
    """A list, also of one that is written without its brackets."""
    return [] if value in (None, "") else list(value) if isinstance(value, (list, tuple)) else [value]


def truth(value: Any, what: str) -> bool:
    """YES and NO as YAML and people write them."""
    from nebula.engine.machines.template import yes

    return yes({what: value}, what)
