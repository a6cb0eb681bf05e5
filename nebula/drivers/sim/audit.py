"""What must never happen, and what must not be left behind."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from nebula.drivers.sim.database import Database

_TAP = re.compile(r"one-(\d+)-\d+")


class Audit:
    """Looks at the whole world for tests."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def violations(self, kind: str = "") -> list[str]:
        """Everything that was recorded: double_run, two_writers, stale_disk, stale_memory, disk_made_anew,
        removed_in_use, backing_removed, copied_in_use; empty `kind`: all, each with its kind before it.
        """
        if kind:
            return [str(words) for (words,) in self._db.all("SELECT words FROM violations WHERE kind=? ORDER BY seq", kind)]
        return [f"{found}: {words}" for found, words in self._db.all("SELECT kind, words FROM violations ORDER BY seq")]

    def double_runs(self) -> list[str]:
        """Every moment in which a domain began to run twice, or a disk got a second writer."""
        rows = self._db.all("SELECT words FROM violations WHERE kind IN ('double_run', 'two_writers') ORDER BY seq")
        return [str(words) for (words,) in rows]

    def operations(self, operation: str, host: str = "", subject: str = "") -> int:
        """How often an operation that changes something was done."""
        row = self._db.one(
            "SELECT count(*) FROM journal WHERE operation=? AND ?2 IN ('', host) AND ?3 IN ('', subject)",
            operation,
            host,
            subject,
        )
        return int(row[0]) if row else 0

    def leaks(self, expected_vm_ids: Collection[int], *, staged: bool = True) -> list[str]:
        """What does not belong to the expected VMs, on an engine at rest: their domains twice, others' domains, disks,
        contexts, memories, taps, parts, staged files, locks of copies; foreign domains are nobody's leak.
        """
        expected = set(expected_vm_ids)
        found = [
            *self._domains(expected),
            *self._files(expected),
            *self._taps(expected),
            *self._filters(expected),
            *self._parts(),
            *self._locks(),
        ]
        found += [*self._backups(), *self._filters(expected), *self._mirrors(), *self._disks(expected)]
        if staged:
            found += [
                f"staged {p} on {s or 'all hosts'}"
                for s, p in self._db.all("SELECT scope, path FROM files WHERE kind='staged'")
            ]
        return sorted(found)

    def _domains(self, expected: set[int]) -> Iterator[str]:
        rows = self._db.all(
            "SELECT vm_id, name, group_concat(host, ' and ') FROM domains WHERE vm_id IS NOT NULL GROUP BY vm_id, name"
        )
        for vm_id, name, hosts in rows:
            if vm_id not in expected or " and " in hosts:
                yield f"domain {name} on {hosts}"

    def _files(self, expected: set[int]) -> Iterator[str]:
        rows = self._db.all(
            "SELECT vm_id, kind, path, group_concat(CASE scope WHEN '' THEN 'all hosts' ELSE scope END, ' and ') FROM files"
            " WHERE vm_id IS NOT NULL AND kind IN ('disk', 'context', 'memory') GROUP BY vm_id, kind, path"
        )
        for vm_id, kind, path, hosts in rows:
            if vm_id not in expected or " and " in hosts:
                yield f"{kind} {path} on {hosts}"

    def _taps(self, expected: set[int]) -> Iterator[str]:
        for host, tap, alive in self._db.all(
            "SELECT t.host, t.name, d.uuid IS NOT NULL FROM taps t"
            " LEFT JOIN domains d ON d.host = t.host AND d.uuid = t.uuid AND d.active"
        ):
            named = _TAP.fullmatch(tap)
            if not alive or (named and int(named[1]) not in expected):
                yield f"tap {tap} on {host}"

    def _filters(self, expected: set[int]) -> Iterator[str]:
        """Those of cards that nobody has; one that is off may keep them."""
        for host, tap in self._db.all(
            "SELECT f.host, f.tap FROM filters f WHERE NOT EXISTS (SELECT 1 FROM domains d WHERE d.host = f.host"
            " AND f.tap LIKE 'one-' || d.vm_id || '-%')"
        ):
            yield f"filters of {tap} on {host}"
        for host, tap in self._db.all("SELECT host, tap FROM filters"):
            named = _TAP.fullmatch(tap)
            if named and int(named[1]) not in expected:
                yield f"filters of {tap} on {host}, a VM that is no more"

    def _parts(self) -> Iterator[str]:
        for scope, path in self._db.all(
            "SELECT scope, path FROM files f WHERE kind='part' AND NOT EXISTS"
            " (SELECT 1 FROM copies c WHERE c.scope = f.scope AND c.path || '.part' = f.path AND c.status='running')"
        ):
            yield f"part {path} on {scope or 'all hosts'}"

    def _backups(self) -> Iterator[str]:
        """What backups need for a while; checkpoints of domains that are no more."""
        for scope, path in self._db.all("SELECT scope, path FROM files WHERE kind='scratch'"):
            yield f"scratch {path} on {scope or 'all hosts'}"
        for host, uuid in self._db.all("SELECT host, uuid FROM frozen"):
            yield f"file systems of {uuid} on {host} at rest"
        for host, uuid, name in self._db.all(
            "SELECT host, uuid, name FROM checkpoints c WHERE EXISTS"
            " (SELECT 1 FROM checkpoints o WHERE o.host=c.host AND o.uuid=c.uuid AND o.name>c.name)"
        ):
            yield f"checkpoint {name} of {uuid} on {host} before another one"

    def _mirrors(self) -> Iterator[str]:
        for host, uuid, path in self._db.all("SELECT host, uuid, path FROM mirrors"):
            yield f"copy of a disk of {uuid} on {host} to {path}"

    def _disks(self, expected: set[int]) -> Iterator[str]:
        """A disk that lies in two datastores: it was copied from one to the other, and its old place was not left."""
        rows = self._db.all(
            "SELECT vm_id, content, group_concat(path, ' and ') FROM files WHERE vm_id IS NOT NULL AND kind = 'disk'"
            " GROUP BY vm_id, content HAVING count(DISTINCT datastore) > 1"
        )
        yield from (f"disk {paths}" for vm_id, _, paths in rows if vm_id in expected)
        for content, paths in self._db.all(
            "SELECT content, group_concat(path, ' and ') FROM files WHERE kind = 'image' AND content != ''"
            " GROUP BY content HAVING count(DISTINCT datastore) > 1"
        ):
            yield f"image {content}: {paths}"

    def _locks(self) -> Iterator[str]:
        for host, path, job in self._db.all("SELECT host, path, job FROM copies WHERE status='running'"):
            yield f"lock of job {job} for {path} on {host}"
