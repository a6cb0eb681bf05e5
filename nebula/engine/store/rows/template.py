"""A template of VMs."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from nebula.engine.store.rows.base import Body
from nebula.engine.store.rows.owned import Owned


class TemplateRow(Owned, kw_only=True):
    """`body`: template (its attributes, see nebula.model.template)."""

    _table: ClassVar[str] = "template"
    _indexes: ClassVar[tuple[tuple[tuple[str, ...], bool], ...]] = ((("name",), True),)

    name: str
    created: float = 0.0
    changed: float = 0.0
    body: Body = msgspec.field(default_factory=dict)
