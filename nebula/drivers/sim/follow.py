"""Waiting for what goes on by itself on simulated hosts: migrations, copies and mirrors."""

from __future__ import annotations

from collections.abc import Callable

from nebula.cancel import CancelToken
from nebula.drivers.base import DiskCopyRequest, Progress
from nebula.drivers.sim.faults import make_error
from nebula.drivers.sim.records import Migration, part_done
from nebula.drivers.sim.world import SimWorld
from nebula.errors import ConflictError, InterruptedByUser, NebulaError, UnreachableError

STEP_SECONDS = 0.05


def follow_migration(
    world: SimWorld, migration_id: int, progress: Progress | None, cancel: CancelToken | None, closed: Callable[[], bool]
) -> None:
    """Wait for its end. A set token aborts it; a host that is lost from sight leaves it alone (UnreachableError)."""
    while (found := world.migrations.get(migration_id)).status == "running":
        if progress is not None:
            progress(found.done(world.now()), found.total)
        _must_be_seen(world, found.source, f"the migration of {found.uuid}", closed)
        try:
            _step(world, cancel)
        except InterruptedByUser:
            with world.db.write():
                world.migrations.abort(found.source, found.uuid, world.now())
            raise
    if found.status != "done":
        raise _failure(found)
    if progress is not None:
        progress(found.total, found.total)


def _failure(found: Migration) -> NebulaError:
    message = f"migration of {found.uuid} from host {found.source} to host {found.target} failed"
    return make_error(found.code or "failed", message, found.words)


def follow_copy(
    world: SimWorld, copy_id: int, done_before: int, total: int, progress: Progress | None, cancel: CancelToken | None
) -> None:
    """Wait for its end. A set token ends the copy, a host that is lost from sight does not."""
    while (found := world.copies.get(copy_id)) is not None and found.status == "running":
        if progress is not None:
            progress(done_before + part_done(found.started, found.duration, found.total, world.now()), total)
        _must_be_seen(world, found.host, f"the copy to {found.path}", lambda: False)
        try:
            _step(world, cancel)
        except InterruptedByUser:
            with world.db.write():
                world.copies.abort(copy_id)
            raise
    if found is None:
        raise UnreachableError("a copy was ended by somebody else", cause=f"copy {copy_id} is gone")
    if found.status == "failed":
        raise make_error(found.code, f"the copy to {found.path} on host {found.host} failed", found.words)


def follow_mirror(
    world: SimWorld,
    host: str,
    request: DiskCopyRequest,
    progress: Progress | None,
    cancel: CancelToken | None,
    closed: Callable[[], bool],
) -> None:
    """Wait until both places of a disk hold the same. A set token ends the copy, unless the engine stops."""
    while (found := world.mirrors.get(host, request)) is not None and not found.ready(world.now()):
        if progress is not None:
            progress(found.done(world.now()), found.total)
        _must_be_seen(world, host, f"the copy to {request.path}", closed)
        try:
            _step(world, cancel)
        except InterruptedByUser:
            if cancel is None or not cancel.detaching():
                with world.db.write():
                    world.mirrors.drop(host, request.uuid, request.target)
            raise
    if found is None:
        raise ConflictError(f"disk {request.target} of {request.uuid} on host {host} was not copied whole")


def _step(world: SimWorld, cancel: CancelToken | None) -> None:
    world.gate.sleep(STEP_SECONDS, cancel)
    world.settle()


def _must_be_seen(world: SimWorld, host: str, what: str, closed: Callable[[], bool]) -> None:
    row = world.db.one("SELECT powered AND reachable FROM hosts WHERE name=?", host)
    if row is None or not row[0] or closed():
        raise UnreachableError(
            f"host {host} does not answer", cause=f"{what} was lost from sight", hint=f"nebula host show {host}"
        )
