"""What is wrong with an expression, and where: one UsageError with the place marked."""

from __future__ import annotations

from nebula.errors import UsageError

_BEFORE, _AFTER = 40, 30
"""Characters of a long expression that are shown around the place."""


def failure(what: str, text: str, at: int, problem: str, hint: str = "") -> UsageError:
    """`what` is the attribute that holds the expression, `at` the place in `text`, counted from 0."""
    return UsageError(f"{what}: {problem} (character {at + 1})", cause=marked(text, at), hint=hint)


def marked(text: str, at: int) -> str:
    """The text with a caret under the place, on two lines."""
    start, end = max(0, at - _BEFORE), min(len(text), at + _AFTER)
    head, tail = "…" if start else "", "…" if end < len(text) else ""
    shown = "".join(sign if sign.isprintable() else " " for sign in text[start:end])
    return f"{head}{shown}{tail}\n{' ' * (len(head) + at - start)}^"
