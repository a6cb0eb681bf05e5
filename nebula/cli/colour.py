"""The few colours of the command line."""

from __future__ import annotations

_CODES = {"red": "31", "green": "32", "yellow": "33", "cyan": "36", "bold": "1", "dim": "2"}
STATES = {
    "RUNNING": "green",
    "MONITORED": "green",
    "READY": "green",
    "USED": "green",
    "UNKNOWN": "yellow",
    "PENDING": "yellow",
    "DISABLED": "yellow",
    "ERROR": "red",
    "OFFLINE": "dim",
    "POWEROFF": "dim",
    "SUSPENDED": "dim",
    "STOPPED": "dim",
    "UNDEPLOYED": "dim",
}


def paint(text: str, colour: str, *, wanted: bool) -> str:
    """The text in that colour, or as it is."""
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if wanted and colour else text


def state_colour(state: str) -> str:
    """The colour of a state's name, "" for none."""
    return "red" if state.endswith("FAILURE") else STATES.get(state, "")
