"""A VM group: roles, and which of them share a host or keep apart; and which VM has which role."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from nebula.engine.store.rows.base import Body, Row
from nebula.engine.store.rows.owned import COMMON, Owned


class VmGroupRow(Owned, kw_only=True):
    """`roles`: their names, for lists; the rest is in `body` (see scheduler.groups: GroupView)."""

    _table: ClassVar[str] = "vmgroup"
    _indexes: ClassVar[tuple[tuple[tuple[str, ...], bool], ...]] = ((("name",), True),)
    _long: ClassVar[frozenset[str]] = frozenset({"roles"})

    name: str
    mode: int = COMMON
    roles: str = ""
    body: Body = msgspec.field(default_factory=dict)


class VmGroupMemberRow(Row, kw_only=True):
    """A VM is in one group at most, with one role."""

    _table: ClassVar[str] = "vmgroup_member"
    _indexes: ClassVar[tuple[tuple[tuple[str, ...], bool], ...]] = ((("vm_id",), True), (("group_id",), False))

    group_id: int
    role: str
    vm_id: int
