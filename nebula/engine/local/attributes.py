"""Attributes that people set on hosts, clusters, datastores and networks: text or numbers, for expressions to name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nebula.engine.machines.template import attribute_name
from nebula.engine.scheduler.expressions import value_of
from nebula.engine.store.rows.base import Body
from nebula.errors import UsageError

MOST = 256
"""Attributes of one object."""
LONGEST = 4096
"""Characters of a value."""


def with_attributes(body: Body, given: Any) -> Body:
    """The body with these attributes added or changed; an empty value takes one away. UsageError for what is none."""
    if not isinstance(given, Mapping):
        raise UsageError("attributes are a group of names and values", cause=f"got {str(given)[:60]!r}", hint="--set KEY=VALUE")
    kept: dict[str, Any] = dict(body.get("attributes") or {})
    for key, value in given.items():
        kept[attribute_name(key)] = _checked(str(key), value)
    kept = {name: value for name, value in kept.items() if value not in (None, "")}
    if len(kept) > MOST:
        raise UsageError(f"more than {MOST} attributes", cause=f"{len(kept)} were set", hint="take some away: --set KEY=")
    return {**body, "attributes": kept}


def _checked(key: str, value: Any) -> Any:
    if value in (None, "", {}):
        return ""
    if isinstance(value, Mapping) and "/" not in key:
        return {attribute_name(part): _checked(f"{key}/{part}", item) for part, item in value.items()}
    if value_of(value) is None or len(str(value)) > LONGEST:
        raise UsageError(
            f"{key[:60]} has no value that can be used", cause=f"text or a number, at most {LONGEST} characters",
            hint=f"--set {key[:60]}=VALUE",
        )  # fmt: skip
    return value
