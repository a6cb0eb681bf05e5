"""Templates as documents say: the YAML of `template create FILE`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nebula.engine.api.values import Accepted, Call
from nebula.engine.api.verbs import Engine
from nebula.engine.declare.kind import Kind
from nebula.engine.declare.values import Document, listed, upper, with_secrets
from nebula.engine.secrets import hide_template
from nebula.engine.store.rows import TemplateRow
from nebula.engine.store.transaction import Queries
from nebula.errors import UsageError
from nebula.model.template import plain
from nebula.units import parse_mib


class Templates(Kind):
    """OpenNebula's attributes, all that there are: what a document does not name is taken away."""

    name = "template"
    row = TemplateRow
    settings = frozenset()
    whole = True

    def document(self, queries: Queries, row: TemplateRow) -> Document:
        """See Kind."""
        return dict(row.body["template"])

    def canonical(self, queries: Queries, document: Document, row: Any) -> Document:
        """See Kind: sizes in MiB, lists where there may be several."""
        template: Document = dict(plain(_told(document)))
        if "MEMORY" in template:
            template["MEMORY"] = _mebibytes(template["MEMORY"])
        for name in ("DISK", "NIC"):
            if name in template:
                template[name] = [_disk(item) if name == "DISK" else item for item in listed(template[name])]
        return {key: value for key, value in template.items() if value not in (None, "", [], {})}

    def hidden(self, document: Document) -> Document:
        """See Kind."""
        shown: Document = hide_template(document)
        return shown

    def create(self, engine: Engine, document: Document, calls: Iterator[Call]) -> Accepted:
        """See Kind."""
        return engine.templates.create({**_told(document), "NAME": document["name"]}, next(calls))

    def update(
        self, engine: Engine, row: Any, before: Document, after: Document, changed: frozenset[str], calls: Iterator[Call]
    ) -> Accepted:
        """See Kind."""
        return engine.templates.update(str(row.id), with_secrets(before, after, self.hidden(before)), next(calls))

    def remove(self, engine: Engine, row: Any, call: Call) -> Accepted:
        """See Kind."""
        return engine.templates.remove(str(row.id), call)


def _told(document: Document) -> Document:
    return {key: item for key, item in upper(document).items() if key not in {"NAME", "KIND"}}


def _disk(item: Any) -> Any:
    if not isinstance(item, dict):
        return item
    found = dict(item) if "IMAGE" in item or "IMAGE_ID" in item else {"TYPE": "fs", **item}
    return {**found, "SIZE": _mebibytes(found["SIZE"])} if "SIZE" in found else found


def _mebibytes(value: Any) -> str:
    """In MiB; what is no size (a variable, say) stays as it is."""
    try:
        return str(parse_mib(str(value)))
    except UsageError:
        return str(value)
