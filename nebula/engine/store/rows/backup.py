"""A backup of a VM, which outlives it."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from nebula.engine.store.rows.base import Body
from nebula.engine.store.rows.owned import Owned


class BackupRow(Owned, kw_only=True):
    """`name`, `uuid`: the VM's. `kind`: full or increment (of what was copied: either is whole). `state`: ready, or damaged.
    `snapshot`: its name in the repository. `size`: bytes that its guest sees; `stored`: by which the repository grew.
    """

    _table: ClassVar[str] = "backup"
    _indexes: ClassVar[tuple[tuple[tuple[str, ...], bool], ...]] = (
        (("vm_id",), False),
        (("datastore_id",), False),
        (("name",), False),
    )
    _long: ClassVar[frozenset[str]] = frozenset({"reason"})

    name: str
    vm_id: int
    uuid: str
    datastore_id: int
    kind: str
    snapshot: str
    state: str = "ready"
    size: int = 0
    stored: int = 0
    created: float = 0.0
    verified: float = 0.0
    """When it was last restored and compared, 0: never."""
    reason: str = ""
    """Why it is a full one, or why it is damaged."""
    body: Body = msgspec.field(default_factory=dict)
    """See engine.backups.content.Content."""
