"""Verbs of backups."""

from __future__ import annotations

from typing import Protocol

from nebula.engine.api.values import Accepted, Call, Detail, Listing, Query
from nebula.engine.api.verbs.belongings import Belongings


class Backups(Belongings, Protocol):
    """Backups of VMs, which outlive them. `vms.backup` makes one, `vms.restore` puts one in the place of its VM's disks."""

    def list(self, query: Query) -> Listing: ...
    def show(self, ref: str) -> Detail: ...
    def restore(self, ref: str, call: Call, name: str = "", datastore: str = "", hold: bool = False) -> Accepted:
        """Another VM of it, with persistent images of its disks in an image datastore, and addresses of its own."""
        ...

    def verify(self, ref: str, call: Call) -> Accepted:
        """Restore it to a place of its own and compare every byte with what was stored."""
        ...

    def remove(self, ref: str, call: Call) -> Accepted: ...
    def forget(self, datastore: str, call: Call) -> Accepted:
        """Delete all backups in a datastore that its settings, or BACKUP_CONFIG/KEEP_LAST of their VM, do not keep."""
        ...
