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
from nebula.engine.store.store import Store


def _uuid() -> str:
    return str(uuid.uuid4())


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
