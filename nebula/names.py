"""What an object may be called: anything readable that cannot be mistaken for an id, a range, a pattern or shell text."""

from __future__ import annotations

import re
from collections.abc import Iterable

from nebula.errors import UsageError

LONGEST = 128
"""Characters in a name."""
_REFUSED = frozenset("'\"`$\\<>|;&*?[]{}!/")
_IDS = r"[0-9]+\.\.[0-9]+|[0-9.,]*,[0-9.,]*"


def check_name(kind: str, name: str) -> str:
    """The name, unchanged. Raises UsageError, which says which rule it breaks; `kind` is the noun ("vm", "host")."""
    problem = _problem(name)
    if problem:
        raise UsageError(
            f"{_shown(name)} cannot be the name of a {kind}",
            cause=problem,
            hint=f"use up to {LONGEST} letters, digits, spaces and . _ - + @ : instead",
        )
    return name


def near(word: str, known: Iterable[str]) -> list[str]:
    """Up to three of the known words that are most like the one that was typed; none for a word of unlikely length."""
    if len(word) > LONGEST:
        return []
    import difflib

    return difflib.get_close_matches(word, sorted(set(known)), n=3, cutoff=0.6)


def _problem(name: str) -> str:
    if not name or name != name.strip():
        return "it is empty or begins or ends with a space"
    if len(name) > LONGEST:
        return f"it has {len(name)} characters, {LONGEST} are allowed"
    if not name.isprintable():
        return "it contains a line break or another character that cannot be printed"
    found = sorted(_REFUSED.intersection(name))
    return f"it contains {' '.join(found)}" if found else _mistakable(name)


def _mistakable(name: str) -> str:
    if name[0] in "-.":
        return f"it begins with {name[0]!r}, like an option or a hidden file"
    if name.isdigit() or re.fullmatch(_IDS, name):
        return "it would be taken for an id"
    return ""


def _shown(name: str) -> str:
    return ascii(name) if len(name) <= 60 else f"{name[:57]!a}…"
