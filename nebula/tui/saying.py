"""What an event says in few words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def said(body: Mapping[str, Any]) -> str:
    """States before and after, and why; what a job does, and why it failed; else its figures."""
    if "after" in body:
        states = [str(body[word]) for word in ("before", "after") if body.get(word)]
        return "  ".join(part for part in (" → ".join(states), str(body.get("reason") or body.get("error") or "")) if part)
    target = body.get("target")
    if "kind" in body and isinstance(target, list) and len(target) == 2:
        error = body.get("error") or {}
        why = str(error.get("message") or "") if isinstance(error, Mapping) else str(error)
        return "  ".join(part for part in (f"{body['kind']} of {target[0]} {target[1]}", why) if part)
    return "  ".join(f"{name} {value}" for name, value in body.items() if name != "name" and value not in ("", None))


def told(body: Mapping[str, Any]) -> str:
    """The same behind the name of what it is about."""
    return ": ".join(part for part in (str(body.get("name") or ""), said(body)) if part)
