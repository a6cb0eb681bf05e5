"""The simulated repository; see nebula.drivers.base.Repository for what each method promises. The world keeps it, wherever
its host is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from nebula import typed
from nebula.cancel import CancelToken
from nebula.drivers.base import HostHandle, Progress, RepositoryCapabilities
from nebula.drivers.sim.backups import scratch_file
from nebula.drivers.sim.restoring import clear
from nebula.drivers.sim.storage import File
from nebula.drivers.sim.transport import sim
from nebula.errors import ConflictError, DamagedError, NotFoundError
from nebula.model.backup import BackupFile, Keep, Stored, StoreRequest
from nebula.model.host import Finding

Contents = dict[str, tuple[str, int, int, int, str]]
"""Name -> content, generation, size, virtual size, format."""
_decode = typed.decoder(Contents)
_PERIODS: tuple[tuple[str, Callable[[datetime], Any]], ...] = (
    ("daily", lambda at: at.date()),
    ("weekly", lambda at: at.isocalendar()[:2]),
    ("monthly", lambda at: (at.year, at.month)),
)


class SimRepository:
    """One repository. No settings matter."""

    def __init__(self, datastore_id: int, settings: Mapping[str, str], at: HostHandle | None) -> None:
        del settings, at
        self._id = datastore_id

    @property
    def capabilities(self) -> RepositoryCapabilities:
        """See Repository.capabilities."""
        return RepositoryCapabilities(increments=True)

    def check(self, host: HostHandle, *, job: str) -> list[Finding]:
        """See Repository.check."""
        sim(host).perform("repository.check", lambda _now: None, subject=job)
        return [Finding(check="repository", level="ok", text=f"host {host.name} reaches it")]

    def prepare(self, host: HostHandle, *, job: str, cancel: CancelToken | None) -> None:
        """See Repository.prepare."""
        sim(host).perform("repository.prepare", lambda _now: None, subject=job, cancel=cancel)

    def store(
        self, host: HostHandle, request: StoreRequest, *, job: str, progress: Progress | None, cancel: CancelToken | None
    ) -> Stored:
        """See Repository.store."""
        if cancel is not None:
            cancel.raise_if_set()
        stored = sim(host).perform(
            "repository.store", lambda _now: self._store(host, request), subject=job, cancel=cancel
        )  # fmt: skip
        if progress is not None:
            progress(stored.added, stored.added)
        return stored

    def _store(self, host: HostHandle, request: StoreRequest) -> Stored:
        known = self._find(host, request.tag)
        contents = self._contents(host, request)
        files = (*request.old, *(self._described(file, contents, request.at) for file in request.new))
        added = sum(contents[file.name][2] for file in request.new)
        if not known:
            known = hashlib.sha256(f"{self._id} {request.tag}".encode()).hexdigest()
            sim(host).world.db.run(
                "INSERT INTO repository(datastore, snapshot, uuid, tag, at, files, damaged) VALUES (?,?,?,?,?,?,0)",
                self._id, known, request.uuid, request.tag, request.at, msgspec.json.encode(contents),
            )  # fmt: skip
        return Stored(snapshot=known, added=added, files=files)

    def _contents(self, host: HostHandle, request: StoreRequest) -> Contents:
        contents: Contents = {}
        if request.parent:
            row = self._row(host, request.parent)
            if row is None or row[1]:
                raise ConflictError(f"backup {request.parent[:8]}, on which this one would build, is not there whole")
            have = _decode(row[0])
            contents |= {file.name: have[file.name] for file in request.old}
        for file in request.new:
            found = sim(host).world.storage.get(sim(host).name, f"{request.directory}/{file.name}")
            if found is None:
                raise NotFoundError(f"host {host.name} has no file {request.directory}/{file.name}")
            contents[file.name] = found.content, found.generation, found.size, found.virtual_size, found.format
        return contents

    @staticmethod
    def _described(file: BackupFile, contents: Contents, at: int) -> BackupFile:
        content = contents[file.name]
        digest = hashlib.sha256(repr(content).encode()).hexdigest()
        return msgspec.structs.replace(file, size=content[2], sha256=digest, mtime=at)

    def fetch(
        self,
        host: HostHandle,
        snapshot: str,
        directory: str,
        files: Sequence[BackupFile],
        *,
        job: str,
        progress: Progress | None,
        cancel: CancelToken | None,
    ) -> None:
        """See Repository.fetch."""
        sim(host).perform(
            "repository.fetch", lambda _now: self._fetch(host, snapshot, directory, files), subject=job, cancel=cancel
        )
        if progress is not None:
            progress(1, 1)

    def _fetch(self, host: HostHandle, snapshot: str, directory: str, files: Sequence[BackupFile]) -> None:
        row = self._row(host, snapshot)
        if row is None:
            raise NotFoundError(f"the repository has no backup {snapshot[:8]}")
        contents = _decode(row[0])
        if row[1] or any(file.name not in contents for file in files):
            raise DamagedError(f"backup {snapshot[:8]} is damaged")
        clear(host, directory)
        for file in files:
            content, generation, size, virtual, form = contents[file.name]
            like = File("", "", "", None, size, form, virtual, content=content, generation=generation)
            sim(host).world.storage.put(scratch_file(sim(host).name, f"{directory}/{file.name}", like))

    def find(self, host: HostHandle, tag: str, *, job: str, cancel: CancelToken | None) -> str:
        """See Repository.find."""
        return sim(host).perform("repository.find", lambda _now: self._find(host, tag), subject=job, cancel=cancel)

    def _find(self, host: HostHandle, tag: str) -> str:
        row = sim(host).world.db.one("SELECT snapshot FROM repository WHERE datastore=? AND tag=?", self._id, tag)
        return str(row[0]) if row else ""

    def _row(self, host: HostHandle, snapshot: str) -> Any:
        return sim(host).world.db.one(
            "SELECT files, damaged FROM repository WHERE datastore=? AND snapshot=?", self._id, snapshot
        )

    def due(self, host: HostHandle, uuid: str, keep: Keep, *, job: str, cancel: CancelToken | None) -> list[str]:
        """See Repository.due; as restic's forget chooses."""

        def effect(_now: float) -> list[str]:
            rows = sim(host).world.db.all(
                "SELECT snapshot, at FROM repository WHERE datastore=? AND uuid=? ORDER BY at DESC, id DESC", self._id, uuid
            )
            kept = set() if not keep.everything else {str(snapshot) for snapshot, _ in rows}
            kept |= {str(snapshot) for snapshot, _ in rows[: keep.last]}
            for name, period in _PERIODS:
                kept |= _last_of_each([(str(one), at) for one, at in rows], period, int(getattr(keep, name)))
            return [str(snapshot) for snapshot, _ in rows if snapshot not in kept]

        return sim(host).perform("repository.due", effect, subject=job, cancel=cancel)

    def forget(self, host: HostHandle, snapshots: Sequence[str], *, job: str, cancel: CancelToken | None) -> None:
        """See Repository.forget."""

        def effect(_now: float) -> None:
            for snapshot in snapshots:
                sim(host).world.db.run("DELETE FROM repository WHERE datastore=? AND snapshot=?", self._id, snapshot)

        sim(host).perform("repository.forget", effect, subject=job, cancel=cancel)

    def prune(self, host: HostHandle, *, job: str, cancel: CancelToken | None) -> None:
        """See Repository.prune; the world keeps nothing else."""
        sim(host).perform("repository.prune", lambda _now: None, subject=job, cancel=cancel)

    def abandon(self, host: HostHandle, job: str) -> None:
        """See Repository.abandon."""
        sim(host).perform("repository.abandon", lambda _now: None, subject=job)


def _last_of_each(rows: Sequence[tuple[str, int]], period: Callable[[datetime], Any], number: int) -> set[str]:
    """The newest of each of so many periods; the newest come first."""
    seen: dict[Any, str] = {}
    for snapshot, at in rows:
        seen.setdefault(period(datetime.fromtimestamp(at, UTC)), snapshot)
    return set(list(seen.values())[:number])
