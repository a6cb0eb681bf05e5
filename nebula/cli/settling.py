"""After `vm create`: wait until the scheduler placed the VM and it runs, or say what stands against it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from nebula.cli.changes import job_error
from nebula.cli.waiting import Waiter, looks
from nebula.engine.api.tables import Query
from nebula.engine.lifecycle.names import place_name
from nebula.errors import CapacityError, ConflictError, NebulaError

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.engine.api.values import Accepted, JobView
    from nebula.engine.api.verbs import Engine

PATIENCE = 5.0
"""Seconds in PENDING after which the VM is said to wait."""


class _Now(NamedTuple):
    state: str
    job: int
    host: str
    reason: str


def settle(context: Context, engine: Engine, accepted: Accepted) -> str:
    """What to say of a VM that runs now. CapacityError if no host takes it for now, the job's error if it failed."""
    start = context.monotonic()
    try:
        for now in looks(engine, lambda: _look(engine, accepted.id)):
            if now.state == "RUNNING" and not now.job:
                return f"runs on {now.host}"
            if now.job:
                _follow_job(context, engine, now.job)
            elif now.state == "PENDING":
                if context.monotonic() - start >= PATIENCE:
                    raise _waits(engine, accepted)
            elif now.state != "CLONING":
                raise _stopped(accepted, now)
    except KeyboardInterrupt:
        context.say(f"vm {accepted.name} goes on; follow it with: nebula vm wait {accepted.id} RUNNING")
        raise
    return "created"


def _look(engine: Engine, vm: int) -> _Now:
    query = Query(columns=("state", "job", "host", "reason"), filters=(("id", "=", str(vm)),), done=True)
    state, job, host, reason = engine.vms.list(query).rows[0]
    return _Now(place_name(*divmod(int(state), 1000)), int(job or 0), str(host or ""), str(reason or ""))


def _follow_job(context: Context, engine: Engine, job: int) -> None:
    ended: list[JobView] = []
    Waiter(context, engine).wait([job], ended.append)
    if ended[0].state != "done":
        raise job_error(ended[0])


def _waits(engine: Engine, accepted: Accepted) -> NebulaError:
    waiting = engine.vms.describe(str(accepted.id)).body.get("waiting") or {}
    hosts = "; ".join(f"{host}: {why}" for host, why in sorted((waiting.get("hosts") or {}).items())[:5])
    return CapacityError(
        f"VM {accepted.name} ({accepted.id}) waits for a host",
        cause=": ".join(text for text in (str(waiting.get("summary", "")), hosts) if text),
        hint=f"nebula vm describe {accepted.id}",
    )


def _stopped(accepted: Accepted, now: _Now) -> NebulaError:
    return ConflictError(
        f"VM {accepted.name} ({accepted.id}) is {now.state}", cause=now.reason, hint=f"nebula vm describe {accepted.id}"
    )
