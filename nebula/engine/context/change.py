"""A context that is changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SAME = (
    frozenset({"USER_DATA", "USERDATA", "USER_DATA_ENCODING", "USERDATA_ENCODING"}),
    frozenset({"START_SCRIPT", "START_SCRIPT_BASE64"}),
    frozenset({"SSH_PUBLIC_KEY", "SSH_KEY"}),
    frozenset({"PASSWORD", "PASSWORD_BASE64", "CRYPTED_PASSWORD", "CRYPTED_PASSWORD_BASE64"}),
)
"""Names of one thing: who changes one means all."""


def changed(context: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The context with these values in the place of those of the same meaning; an empty one takes it away."""
    replaced = {name for names in _SAME if not names.isdisjoint(changes) for name in names}
    whole = {**{name: value for name, value in context.items() if name not in replaced}, **changes}
    return {name: value for name, value in whole.items() if value not in (None, "")}
