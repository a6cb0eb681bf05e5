"""Jobs of the façade."""

from __future__ import annotations

from nebula.engine.api.values import Accepted, Call, JobView, LogLine
from nebula.engine.jobs.registry import operation
from nebula.engine.jobs.runner import ENDED
from nebula.engine.local.base import Noun
from nebula.engine.store.rows import JobLogRow, JobRow
from nebula.engine.store.transaction import Queries, Transaction
from nebula.errors import ConflictError, NebulaError


class LocalJobs(Noun):
    """See nebula.engine.api.verbs.Jobs."""

    noun = "job"

    def show(self, job_id: int) -> JobView:
        """One job."""
        queries = self._store.read()
        return view(queries, queries.get(JobRow, job_id))

    def log(self, job_id: int, after: int = 0) -> list[LogLine]:
        """Its log lines after the `after`-th."""
        queries = self._store.read()
        queries.get(JobRow, job_id)
        rows = queries.select(JobLogRow, '"job_id"=? ORDER BY "id"', (job_id,))
        return [LogLine(at=row.at, level=row.level, text=row.text, source=f"job {job_id}") for row in rows[after:]]

    def cancel(self, job_id: int, call: Call) -> Accepted:
        """Ask it to stop and to undo what it did."""

        def work(tx: Transaction) -> Accepted:
            job = tx.get(JobRow, job_id)
            if job.state in ENDED:
                raise ConflictError(f"job {job.id} is {job.state} already", hint=f"nebula job show {job.id}")
            self._cancel(tx, job, call)
            filed = tx.count(JobRow, "\"parent_id\"=? AND \"state\" IN ('ready','running','waiting')", (job.id,))
            would = f"cancel job {job.id} ({job.kind})" + (f" and the {filed} jobs that it filed" if filed else "")
            return Accepted(kind="job", id=job.id, name=job.kind, job_id=job.id, would=(would,) if call.dry_run else ())

        return self._change(call, work)


def view(queries: Queries, job: JobRow) -> JobView:
    """A job as people see it."""
    try:
        every = operation(job.kind).steps
    except NebulaError:
        every = ()
    steps = [step.name for step in every if step.of(job.args)]
    position = sum(step.of(job.args) for step in every[: job.step])
    name = ""
    if job.target_kind in {"vm", "host", "image", "network", "datastore", "backup"}:
        found = queries.rows(f'SELECT "name" FROM "{job.target_kind}" WHERE "id"=?', (job.target_id,))
        name = str(found[0][0]) if found else ""
    return JobView(
        id=job.id,
        kind=job.kind,
        target_kind=job.target_kind,
        target_id=job.target_id,
        target=name,
        state=job.state,
        step=steps[min(position, len(steps) - 1)] if steps else "",
        steps=len(steps),
        position=position,
        direction=job.direction,
        done=job.done,
        total=job.total,
        attempt=job.attempt,
        not_before=job.not_before,
        created=job.created,
        started=job.started,
        ended=job.ended,
        actor=job.actor,
        error=job.error,
        parent_id=job.parent_id,
    )
