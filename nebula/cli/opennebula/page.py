"""docs/opennebula.md, made of what is declared; a test compares.

`python -m nebula.cli.opennebula.page docs/opennebula.md` writes it anew.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from nebula.cli.opennebula import context, families, states
from nebula.cli.opennebula.rows import Row
from nebula.engine.lifecycle.states import LcmState, VmState

_HEAD = """\
# What became of OpenNebula's verbs

Who knows OpenNebula finds here each of its verbs for virtual machines, templates, images, VM groups and security groups, its
states and what it tells guests. Attributes of templates have [a page of their own](template.md).

*Done*: by the command beside it. *Refused*: Nebula does not have it, for the reason given; the program says so, too. *Not
applicable*: it means nothing here. What is typed wrong is answered in the same words: `nebula vm updateconf` names `vm update`.
"""
_WORDS = {"none": "not applicable"}


def page() -> str:
    """The whole of it."""
    return "\n".join((_HEAD, *_states(), *_verbs(), *_context()))


def _verbs() -> Iterator[str]:
    yield from ("## Verbs", "")
    yield "`SCHED` stands for OpenNebula's `--schedule`, `--weekly`, `--monthly`, `--yearly`, `--hourly` and `--end`:"
    yield from ("[schedules](schedule.md) have them all. Names, ids, lists and ranges (`1,3,12..20`) are typed alike.", "")
    for family, rows in families.FAMILIES.items():
        yield from _table(f"### {family}", "Verb", rows)
    yield from _table("### Flags that make a template", "Flag", families.TMPL)
    yield from _table("### Flags of lists", "Flag", families.LISTS)


def _states() -> Iterator[str]:
    yield from ("## Actions and the states from which they lead on", "")
    yield from ("[The pictures](lifecycle.md) show where.", "")
    yield from ("| Action | Here | From | Not from |", "|---|---|---|---|")
    for action in states.ACTIONS:
        without = action.without
        sources = ", ".join(source for source in action.sources if source not in without)
        reasons = "; ".join(f"{state}: {why}" for state, why in without.items())
        yield f"| {action.name} | `nebula {action.way}` | {sources} | {reasons} |"
    yield ""
    yield from _table("", "Action", states.OTHERS)
    yield from _table("### Recover", "Operation", states.RECOVERIES)
    yield from _table("### What is seen on hosts", "Seen", states.SEEN)
    yield from ("### States", "", "Names and codes are OpenNebula's. No VM is ever in these:", "")
    yield from ("| State | Why |", "|---|---|")
    used = {state.name for state in (*VmState, *LcmState)}
    for why, names in groupby(((name, why) for name, why in states.UNUSED.items() if name not in used), lambda pair: pair[1]):
        yield f"| {', '.join(name for name, _ in names)} | {why} |"
    yield ""


def _context() -> Iterator[str]:
    yield from ("## Context", "", "[What a guest is told](context.md) explains it; a template's variables are among")
    yield from ("[its attributes](template.md).", "")
    yield from _table("### The CD", "Part", context.CD)
    yield from _table("### Set by the core", "Variable", context.CORE)
    yield from _table("### Of each card", "Variable", context.CARDS)
    yield from _table("### In the guest", "Part", context.GUESTS)
    yield from _table("### OneGate", "Request", context.GATE)


def _table(title: str, head: str, rows: Iterable[Row]) -> Iterator[str]:
    """Neighbours of which the same is said share a line."""
    if title:
        yield from (title, "")
    yield from (f"| {head} | | |", "|---|---|---|")
    for (status, ways, note), alike in groupby(rows, lambda row: (row.status, row.ways, row.note)):
        names = ", ".join(f"`{row.name}`" for row in alike)
        said = "; ".join(part for part in (", ".join(f"`nebula {way}`" for way in ways), note) if part)
        yield f"| {names} | {_WORDS.get(status, status)} | {said} |"
    yield ""


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page())
