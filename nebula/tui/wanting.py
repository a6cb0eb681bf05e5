"""What wants a person now, counted by screens and states: said in the header wherever one is; knows no widget."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING

from nebula.cli.output.values import machine
from nebula.engine.api.tables import Query
from nebula.tui.views import named

if TYPE_CHECKING:
    from nebula.engine.api.verbs import Engine

Wanting = dict[str, dict[str, int]]
"""Noun -> state -> how many objects are in it that somebody has to look at; nothing of nouns where all is well."""


def look(engine: Engine) -> Wanting:
    """Ask for those alone that are not well: of thousands that are, nothing is read."""
    found: Wanting = {}
    for noun, show, part, states in (
        ("host", "host_state", engine.hosts, "ERROR"),
        ("vm", "state", engine.vms, _failed()),
        ("image", "image_state", engine.images, "ERROR"),
    ):
        rows = part.list(Query(columns=("state",), filters=(("state", "=", states),))).rows
        if rows:
            found[noun] = dict(Counter(str(machine(show, row[0])) for row in rows))
    return found


@lru_cache(maxsize=1)
def _failed() -> str:
    from nebula.engine.lifecycle.states import LcmState, VmState

    names = (state.name for state in (*VmState, *LcmState))
    return ",".join(name for name in names if name == "UNKNOWN" or name.endswith("FAILURE"))


def said(wanting: Wanting) -> str:
    """1 host ERROR, 3 VMs UNKNOWN; "" where all is well."""
    words = []
    for noun, states in wanting.items():
        view = named(noun)
        words += [f"{view.counted(count) if view else count} {state}" for state, count in states.items()]
    return ", ".join(words)


def leads_to(wanting: Wanting, here: str) -> str:
    """The screen and filter, as behind `:`, that shows them; from one such screen to the next. "" where all is well."""
    places = [f"{noun} state={','.join(sorted(states))}" for noun, states in wanting.items()]
    if not places:
        return ""
    return places[(places.index(here) + 1) % len(places)] if here in places else places[0]
