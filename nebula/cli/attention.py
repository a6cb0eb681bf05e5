"""What wants a person now: said below lists and in `nebula status`, with the command to type next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from nebula.cli.output.values import machine
from nebula.engine.api.tables import Query

if TYPE_CHECKING:
    from nebula.engine.api.tables import Listing
    from nebula.engine.api.verbs import Engine

COLUMNS = {
    "vm": ("id", "name", "state", "reason", "alarm", "job"),
    "host": ("id", "name", "state", "error"),
    "image": ("id", "name", "state", "error"),
    "job": ("id", "kind", "state", "name", "error"),
}
"""What has to be known of an object to say whether it wants somebody."""
_SHOWS = {"vm": "state", "host": "host_state", "image": "image_state", "job": "text"}
OPEN = frozenset({"ready", "running", "waiting"})
"""States of jobs that an engine has to see to."""
_NAMED = 4
"""Objects that are named where several have the same trouble."""
_MOST = 8
"""Troubles below a list."""


class Trouble(NamedTuple):
    """Objects of a noun with the same trouble: their names, what it is, and what to type."""

    noun: str
    names: tuple[str, ...]
    text: str
    hint: str

    def __str__(self) -> str:
        named = ", ".join(self.names[:_NAMED])
        more = f" and {len(self.names) - _NAMED} more" if len(self.names) > _NAMED else ""
        return f"{self.noun} {named}{more}: {self.text} ({self.hint})"


def of_engine(engine: Engine) -> list[Trouble]:
    """Everything that wants a person now."""
    found: list[Trouble] = []
    for noun, part in (("host", engine.hosts), ("vm", engine.vms), ("image", engine.images)):
        found.extend(troubles(noun, part.list(Query(columns=COLUMNS[noun]))))
    waiting = engine.jobs.list(Query(columns=COLUMNS["job"], filters=(("state", "=", "waiting"),)))
    return [*found, *troubles("job", waiting)]


def troubles(noun: str, listing: Listing) -> list[Trouble]:
    """What is wrong with the rows of a list that has the noun's COLUMNS; nothing for other nouns."""
    if noun not in COLUMNS:
        return []
    places = {name: listing.columns.index(name) for name in COLUMNS[noun]}
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in listing.rows:
        values = {name: row[place] for name, place in places.items()}
        values["state"] = machine(_SHOWS[noun], values["state"])
        for text in _wrong(noun, values):
            found.setdefault(text, []).append(values)
    return [_trouble(noun, text, rows) for text, rows in found.items()]


def lines(noun: str, listing: Listing) -> Iterator[str]:
    """A line for every trouble, not too many."""
    found = troubles(noun, listing)
    yield from map(str, found[:_MOST])
    if len(found) > _MOST:
        yield f"{len(found) - _MOST} more: nebula status"


def left_alone(noun: str, listing: Listing) -> str:
    """What to say where jobs are under way and no engine runs to do them; "" if there are none."""
    if noun == "vm":
        place = listing.columns.index("job")
        jobs = [row[place] for row in listing.rows if row[place]]
    elif noun == "job":
        state, number = listing.columns.index("state"), listing.columns.index("id")
        jobs = [row[number] for row in listing.rows if row[state] in OPEN]
    else:
        jobs = []
    return nobody_at(min(jobs)) if jobs else ""


def nobody_at(job: int) -> str:
    """What to say of a job that no engine is at."""
    return f"no engine runs, so nobody is at job {job}: nebula job wait {job} goes on with it, or nebula --daemon"


def with_columns(noun: str, columns: Sequence[str]) -> tuple[str, ...]:
    """The columns and those that `troubles` needs behind them."""
    return (*columns, *(name for name in COLUMNS.get(noun, ()) if name not in columns))


def _wrong(noun: str, values: Mapping[str, Any]) -> Iterator[str]:
    state = str(values["state"])
    if noun == "job":
        if state == "waiting":
            yield f"waits: {machine('problem', values['error']) or 'for its time'}"
        return
    if state in {"ERROR", "UNKNOWN"} or state.endswith("FAILURE"):
        why = values.get("reason") or values.get("error") or ""
        yield f"{state}: {why}" if why else state
    if noun == "vm" and state == "PENDING" and values.get("reason"):
        yield f"waits: {values['reason']}"
    if values.get("alarm"):
        yield str(values["alarm"])


def _trouble(noun: str, text: str, rows: Sequence[Mapping[str, Any]]) -> Trouble:
    first = rows[0]["id"]
    names = tuple(f"{row['id']} ({row['kind']} {row['name']})" if noun == "job" else str(row["name"]) for row in rows)
    verb = {"vm": "describe", "host": "describe", "image": "show", "job": "show"}[noun]
    return Trouble(noun, names, text, f"nebula {noun} {verb} {first}")
