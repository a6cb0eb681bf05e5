"""Attributes of templates, as people write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nebula.errors import UsageError


def single(name: str, value: Any) -> Any:
    """The value, which must be one text or number; UsageError for a group or a list. `name` may be GROUP/NAME."""
    if isinstance(value, (Mapping, list, tuple)):
        kind = "a group" if isinstance(value, Mapping) else "a list"
        key = name.rpartition("/")[2].lower()
        raise UsageError(f"{name} must be one value, not {kind}", hint=f"write it like {key}: VALUE")
    return value


def complete(template: Mapping[str, Any]) -> dict[str, Any]:
    """A VM's template with a size, a context for its cards, and a graphical console; what it says itself stays."""
    found: dict[str, Any] = dict(template)
    found.setdefault("VCPU", 1)
    found.setdefault("CPU", str(found["VCPU"]))
    if found.get("NIC"):
        context = found.get("CONTEXT")
        found["CONTEXT"] = {"NETWORK": "YES", **(context if isinstance(context, Mapping) else {})}
    found.setdefault("GRAPHICS", {"TYPE": "VNC", "LISTEN": "127.0.0.1"})
    return found
