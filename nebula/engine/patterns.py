"""Regular expressions that people type. RE2 looks at each character once, so that none of them can hold up the engine;
look-around and references back, which cost that, are what it lacks.
"""

from __future__ import annotations

from typing import Protocol

from nebula.errors import UsageError

LONGEST = 200
"""Characters of an expression."""
_MEMORY = 1 << 18
"""Bytes for a compiled expression and its automaton; the library keeps up to 128 of them."""


class Pattern(Protocol):
    """A compiled expression."""

    def search(self, text: str) -> object:
        """Something true where the expression matches anywhere in the text."""
        ...


def compiled(text: str) -> Pattern:
    """The expression; UsageError for one that cannot be."""
    if len(text) > LONGEST:
        raise UsageError(f"the regular expression is longer than {LONGEST} characters", hint="use a shorter one, or * patterns")
    import re2

    options = re2.Options()
    options.max_mem, options.log_errors = _MEMORY, False
    try:
        found: Pattern = re2.compile(text, options)
    except (re2.error, UnicodeError) as error:
        raise UsageError(
            f"{text!r} is not a regular expression that can be used",
            cause=_words(error),
            hint="quote it, or use * patterns; RE2's syntax is meant, without look-around and references back",
        ) from error
    return found


def _words(error: Exception) -> str:
    """What the library says, which it says in bytes."""
    said = error.args[0] if error.args else ""
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(error)
