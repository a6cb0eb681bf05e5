"""A stored value as text of a column, and which columns get how much room."""

from __future__ import annotations

from collections.abc import Sequence

from nebula.cli.colour import state_colour
from nebula.cli.output.text import printable, shorten, width
from nebula.cli.output.values import RIGHT, human, machine
from nebula.engine.api.columns import Column
from nebula.tui.saying import told

LEAST, MOST = 8, 40
"""Columns of the screen that a text gets at least when there is little room, and at most."""
EASY = 20
"""Columns of the screen with which a text is read well enough that no other column has to give way for more."""
MOVING = frozenset({"age"})
"""What changes with the clock alone."""
_MINUTE, _STEP = 60.0, 10.0
"""Seconds: an age below the one goes on by the other, or many new rows would be drawn every second."""
_JOB_COLOURS = {"done": "green", "failed": "red", "cancelled": "dim", "running": "cyan", "waiting": "yellow", "ready": "yellow"}


def state_style(state: str) -> str:
    """Rich's style for a state's name, of whatever kind of object."""
    return state_colour(state) or _JOB_COLOURS.get(state, "")


def cell(column: Column, value: object, now: float) -> str:
    """The value for people; a bar for how far something is, words for what an event says."""
    if column.show == "json" and value:
        return printable(told(machine("json", value)))
    if column.show == "percent" and isinstance(value, int | float) and value >= 0:
        full = round(min(float(value), 100.0) / 10)
        return f"{'█' * full}{'░' * (10 - full)} {value:3.0f}%"
    if column.show == "age" and isinstance(value, int | float) and 0 < now - value < _MINUTE:
        return human("age", now - (now - value) // _STEP * _STEP, now)
    text = human(column.show, value, now)
    if column.show == "age" and "m" in text and text.endswith("s"):
        return text[: text.index("m") + 1]  # whose seconds would be drawn anew every second
    return text


def colour(column: Column, text: str) -> str:
    """The colour that says how good it is: green, yellow, red, dim or none."""
    if column.show.endswith("state"):
        return state_colour(text)
    if column.name == "state":
        return _JOB_COLOURS.get(text, "")
    return "red" if column.name in {"error", "alarm"} and text != "-" else ""


def fit(text: str, columns: int, *, right: bool = False) -> str:
    """The text in exactly so many columns."""
    if not text.isascii():
        text = shorten(text, columns)
        missing = columns - width(text)
        return " " * missing + text if right else text + " " * missing
    if len(text) > columns:
        text = f"{text[: columns - 1]}…" if columns > 1 else text[:columns]
    return text.rjust(columns) if right else text.ljust(columns)


def is_right(column: Column) -> bool:
    """Whether it stands at the right edge."""
    return column.show in RIGHT


def seen(columns: Sequence[Column], natural: Sequence[int], spare: Sequence[int], available: int) -> list[int]:
    """Places of the columns that are shown: where there is not room for all, those of `spare` give way, its first one first."""
    found = list(range(len(columns)))
    needed = [wanted if is_stiff(column) else min(wanted, EASY) for column, wanted in zip(columns, natural, strict=True)]
    for place in spare:
        if sum(needed[index] + 2 for index in found) <= available:
            break
        found.remove(place)
    return found


def is_stiff(column: Column) -> bool:
    """Whether it is of no use when it is cut: half a time is none."""
    return is_right(column) or column.show.endswith("state") or column.show == "time"


def room(columns: Sequence[Column], natural: Sequence[int], available: int) -> list[int]:
    """Widths within the room there is: long texts have what is left, texts give way, the widest first, down to a few letters
    each.
    """
    found = [min(wanted, MOST) for wanted in natural]
    flexible = [index for index in range(len(found)) if not is_stiff(columns[index])]
    spare = available - sum(found) - 2 * len(found)
    for index in flexible:
        more = min(max(spare, 0), natural[index] - found[index])
        found[index] += more
        spare -= more
    while spare < 0 and flexible:
        widest = max(flexible, key=lambda index: found[index])
        if found[widest] <= LEAST:
            break
        found[widest] -= 1
        spare += 1
    return found
