"""A security group: rules that say what may pass the cards that have it."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from nebula.engine.store.rows.base import Body
from nebula.engine.store.rows.owned import Owned

DEFAULT = "default"
"""The group that every home has: all may go out, nothing comes in but answers."""


class SecurityGroupRow(Owned, kw_only=True):
    """`body`: rules, as `engine.firewall.rules` has them, and attributes. Who has the group: networks by their settings, cards
    by their leases.
    """

    _table: ClassVar[str] = "securitygroup"
    _indexes: ClassVar[tuple[tuple[tuple[str, ...], bool], ...]] = ((("name",), True),)

    name: str
    body: Body = msgspec.field(default_factory=dict)
