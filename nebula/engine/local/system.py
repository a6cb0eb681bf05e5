"""The engine itself: status, doctor, copies of the database, the bundle for a bug report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nebula import __version__
from nebula.engine.api.values import Accepted, Call, Finding, Status
from nebula.engine.owner import owner
from nebula.engine.services import Services
from nebula.engine.store.backup import backup, problems

if TYPE_CHECKING:
    from nebula.engine.local.engine import LocalEngine

PROTOCOL = 1
_COUNTED = ("cluster", "host", "datastore", "image", "network", "vm")
_VMS = 'SELECT COALESCE(SUM("vms"),0) FROM "promised"'


class LocalSystem:
    """See nebula.engine.api.verbs.System."""

    def __init__(self, services: Services, engine: LocalEngine) -> None:
        self._services = services
        self._engine = engine

    def status(self) -> Status:
        """What the engine is doing."""
        queries = self._services.store.read()
        counts = {
            noun: int(queries.rows(f'SELECT COUNT(*) FROM "{noun}"' if noun != "vm" else _VMS)[0][0]) for noun in _COUNTED
        }
        jobs = dict(
            queries.rows(
                'SELECT "state", COUNT(*) FROM "job" WHERE "state" IN (\'ready\',\'running\',\'waiting\') GROUP BY "state"'
            )
        )
        found = owner(self._services.home)
        return Status(
            version=__version__,
            protocol=PROTOCOL,
            home=str(self._services.home),
            owner_pid=int(found.get("pid", 0)),
            role=str(found.get("role", "nobody")),
            started=self._engine.started if self._engine.role != "nobody" else 0.0,
            counts=counts,
            last_event=self._engine.events.last(),
            jobs={str(state): int(number) for state, number in jobs.items()},
        )

    def doctor(self) -> list[Finding]:
        """Look at this machine, the database and every host."""
        from nebula.engine.doctor import check_all

        return check_all(self._services)

    def backup(self, path: str) -> str:
        """See System.backup."""
        return str(backup(self._services.store.location, Path(path)))

    def check(self) -> list[Finding]:
        """See System.check."""
        location = self._services.store.location
        found = problems(location)
        where = location.path or f"{location.dialect.kind} at {location.host}"
        if not found:
            return [Finding(where=where, check="database", level="ok", text="the database is sound")]
        return [
            Finding(where=where, check="database", level="error", text=text, fix="nebula db restore FILE") for text in found
        ]

    def support(self, path: str) -> str:
        """See System.support."""
        from nebula.engine.support import bundle

        return str(bundle(self._services, self.status, Path(path)))

    def stop(self, call: Call) -> Accepted:
        """See System.stop: the process that serves the engine watches for the event."""
        if not call.dry_run:
            self._services.store.write(lambda tx: tx.event("engine.stop", "engine", 0, actor=call.actor))
        return Accepted(kind="engine", id=0, name=str(self._services.home))
