"""The dashboard's own keys, declared once: what they are called, what they do, where. Verbs' keys are in the command table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

Where = Literal["anywhere", "list", "log", "plans"]


class Key(NamedTuple):
    """`id` names it in keys.json and is the method `do_ID` of the screen. `hint`: the word in the footer, "" for none."""

    id: str
    key: str
    text: str
    where: Where = "anywhere"
    hint: str = ""


KEYS = (
    Key("help", "question_mark", "Keys and commands of where you are; type to search.", hint="help"),
    Key("palette", "ctrl+p", "Do anything by its name.", hint="palette"),
    Key("jump", "colon", "Go to a screen: vm, host a1, 'vm state=RUNNING'.", hint="go to"),
    Key("wanting", "exclamation_mark", "To what wants somebody: hosts in ERROR, failed VMs, …; again: to the next."),
    Key("back", "escape", "Back: take away filter and marks, then the screen before."),
    Key("filter", "slash", "Filter as one types: web, state=RUNNING 'memory>2G' 'name~^db'.", "list", "filter"),
    Key("actions", "a", "All that can be done to what is chosen.", "list", "actions"),
    Key("open", "enter", "Details of the row beside the list, or in its place.", "list"),
    Key("mark", "space", "Mark the row, or take its mark away.", "list", "mark"),
    Key("mark_range", "V", "Mark all rows from the last marked one to this one.", "list"),
    Key("mark_all", "asterisk", "Mark all rows that the filter leaves; again: none.", "list"),
    Key("sort", "s", "Sort by the next column.", "list"),
    Key("reverse", "S", "Sort the other way round.", "list"),
    Key("columns", "C", "Choose columns; the choice is remembered.", "list"),
    Key("copy", "y", "Copy: name, id, address, UUID, YAML, the command line.", "list"),
    Key("bookmark", "b", "Remember this screen with its filter, or go to a bookmark.", "list"),
    Key("next_tab", "right_square_bracket", "The next tab of details.", "list"),
    Key("previous_tab", "left_square_bracket", "The tab before.", "list"),
    Key("search", "F", "Search in the details.", "list"),
    Key("hours", "H", "Charts of 6, 24 hours or one; a replay of 6, 24 or 72.", "list"),
    Key("play", "R", "The replay of a cluster's past; again: let it run, or stop it.", "plans", "replay"),
    Key("earlier", "comma", "A moment back.", "plans"),
    Key("later", "full_stop", "A moment forth.", "plans"),
    Key("decision_before", "less_than_sign", "To the decision before.", "plans"),
    Key("decision_after", "greater_than_sign", "To the decision after.", "plans"),
    Key("follow", "f", "Follow new lines, or stand still.", "log"),
    Key("wrap", "W", "Wrap long lines of details, or cut them.", "list"),
    Key("drawer", "grave_accent", "The command lines that keys ran, and what came of them; again: less."),
    Key("undo", "ctrl+z", "Take the last change back, where a verb does: hold, poweroff, suspend, disable, …"),
    Key("copy_line", "Y", "Copy the last command line."),
    Key("pause", "p", "Pause: rows stay as they are until it is pressed again."),
    Key("mouse", "f9", "Let go of the mouse, so that the terminal selects text; again: take it."),
    Key("theme", "f2", "The next theme: dark, light, the terminal's own 16 colours."),
    Key("quit", "q", "Quit; jobs go on."),
)
_NAMES = {
    "question_mark": "?", "colon": ":", "slash": "/", "escape": "Esc", "enter": "Enter", "space": "Space", "asterisk": "*",
    "right_square_bracket": "]", "left_square_bracket": "[", "grave_accent": "`", "plus": "+",
    "exclamation_mark": "!", "comma": ",", "full_stop": ".", "less_than_sign": "<", "greater_than_sign": ">",
}  # fmt: skip
"""Textual's names of keys -> what is printed on them."""
_BY_SIGN = {sign: name for name, sign in _NAMES.items()}


def shown(key: str) -> str:
    """A key as people know it: ?, Ctrl-P."""
    if key.startswith("ctrl+"):
        return f"Ctrl-{key.removeprefix('ctrl+').upper()}"
    return _NAMES.get(key, key.upper() if key[:1] == "f" and key[1:].isdigit() else key)


def typed(key: str) -> str:
    """Textual's name of a key that a person wrote: ? or Ctrl-P."""
    lower = key.lower()
    if lower.startswith("ctrl-"):
        return f"ctrl+{lower.removeprefix('ctrl-')}"
    return _BY_SIGN.get(key, key)


def effective(remapped: Mapping[str, str]) -> dict[str, Key]:
    """Key -> what it does, with a person's own keys in the place of ours."""
    return {typed(remapped.get(item.id, item.key)): item for item in KEYS}
