"""Text for terminals: what came from outside cannot move the cursor, and its width is known."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text on one line, with everything that a terminal might obey replaced."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else _stand_in(letter) for letter in text).strip()


def width(text: str) -> int:
    """Columns that the text takes on a terminal."""
    if text.isascii():
        return len(text)
    import unicodedata

    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return len(text) + wide - sum(bool(unicodedata.combining(letter)) for letter in text)


def shorten(text: str, columns: int) -> str:
    """The text in at most so many columns, with … where something is missing."""
    if width(text) <= columns:
        return text
    kept = text
    while kept and width(kept) > columns - 1:
        kept = kept[:-1]
    return f"{kept}…" if columns > 0 else ""


def plural(count: int, noun: str) -> str:
    """1 vm, 2 vms."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _stand_in(letter: str) -> str:
    return " " if letter in "\n\r\t" else "�"
