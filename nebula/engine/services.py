"""What the parts of the domain share: the store, live hosts, time, limits. Made once by whoever owns the engine."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from nebula.clock import Clock
from nebula.engine.hosts import HostPool, TransportMaker
from nebula.engine.people import People, SystemPeople
from nebula.engine.settings import Settings
from nebula.engine.store.rows import JobRow
from nebula.engine.store.store import Store


def _uuid() -> str:
    return str(uuid.uuid4())


class Errands:
    """Where a job is handed in that follows from a change elsewhere, once it is durable; the runner takes it."""

    def __init__(self) -> None:
        self.submit: Callable[[JobRow], None] = _left_lying
        self.filed = 0
        """How many jobs about filters came: who read what may pass looks whether anything came since."""


def _left_lying(_: JobRow) -> None:
    """Nobody runs jobs here; the next owner takes up what is in the database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """`new_uuid` is where identities come from, so that tests can order them."""

    home: Path
    store: Store
    pool: HostPool
    transports: TransportMaker
    clock: Clock
    settings: Settings = field(default_factory=Settings)
    people: People = field(default_factory=SystemPeople)
    new_uuid: Callable[[], str] = _uuid
    errands: Errands = field(default_factory=Errands)
