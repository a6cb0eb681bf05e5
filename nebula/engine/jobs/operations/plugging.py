"""What the jobs have in common that plug disks and cards in, change them, and pull them out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nebula.engine.jobs.base import Lock, Step
from nebula.engine.jobs.operations import common

if TYPE_CHECKING:
    from nebula.engine.services import Services
    from nebula.engine.settings import Settings
    from nebula.engine.store.rows import JobRow
    from nebula.engine.store.transaction import Transaction


class PlugJob:
    """One that works on a VM's disk or card, which the argument `disk` or `nic` names."""

    def __init__(self, kind: str, *steps: Step) -> None:
        self.kind = kind
        self.steps = steps

    def locks(self, job: JobRow, settings: Settings) -> tuple[Lock, ...]:
        """The VM."""
        return (common.vm_lock(job),)

    def finish(self, transaction: Transaction, job: JobRow, services: Services) -> None:
        """The row said so before."""

    def failed(self, transaction: Transaction, job: JobRow, services: Services, message: str, *, clean: bool) -> None:
        """Nothing beyond the table: the VM's last job says why."""
        transaction.event("vm.refused", "vm", job.target_id, actor=job.actor, kind=job.kind, message=message)
