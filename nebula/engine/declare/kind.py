"""What a kind of document declares: its settings, its rows, and the noun's verbs that make and change it."""

from __future__ import annotations

import abc
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import msgspec

from nebula.engine.api.values import Accepted, Call
from nebula.engine.api.verbs import Engine
from nebula.engine.declare.values import Document
from nebula.engine.secrets import hide
from nebula.engine.store.rows import ClusterRow
from nebula.engine.store.rows.base import Row
from nebula.engine.store.transaction import Queries
from nebula.errors import ConflictError


class Kind(abc.ABC):
    """One kind. Settings that a document leaves out stay as they are; a group or a list that it names is meant whole."""

    name: ClassVar[str]
    row: ClassVar[type[Row]]
    settings: ClassVar[frozenset[str]]
    fixed: ClassVar[frozenset[str]] = frozenset()
    """Settings that an object keeps as it was made with them."""
    once: ClassVar[frozenset[str]] = frozenset()
    """Settings that only matter when it is made."""
    defaults: ClassVar[Mapping[str, Any]] = {}
    """What `export` need not say."""
    whole: ClassVar[bool] = False
    """What the document does not name is to go."""
    live: ClassVar[str] = "1=1"
    """SQL: which rows are there for people."""

    def rows(self, queries: Queries) -> list[Any]:
        """What exists, in the order in which it could be made."""
        return queries.select(self.row, f'{self.live} ORDER BY "id"')

    @abc.abstractmethod
    def document(self, queries: Queries, row: Any) -> Document:
        """All that there is to say of it, secrets too."""

    def canonical(self, queries: Queries, document: Document, row: Any) -> Document:
        """The document's settings in a form in which alike means the same; `row` is what exists, if anything does."""
        del queries, row
        return document

    def hidden(self, document: Document) -> Document:
        """The document as people may see it."""
        shown: Document = hide(document)
        return shown

    def ordered(self, documents: list[Document]) -> list[Document]:
        """Documents of this kind in the order in which they can be made."""
        return documents

    def trouble(self, row: Any) -> str:
        """The state of one that an earlier run could not finish; "" for one that is well."""
        del row
        return ""

    def refused(self, before: Document, after: Document) -> str:
        """Why one does not become the other in place, apart from what is `fixed`; "" where it does. Both are canonical."""
        del before, after
        return ""

    @abc.abstractmethod
    def create(self, engine: Engine, document: Document, calls: Iterator[Call]) -> Accepted:
        """Make it; the first call bears the label."""

    @abc.abstractmethod
    def update(
        self, engine: Engine, row: Any, before: Document, after: Document, changed: frozenset[str], calls: Iterator[Call]
    ) -> Accepted:
        """Change these settings; both documents are canonical."""

    def mend(self, engine: Engine, row: Any, document: Document, calls: Iterator[Call]) -> Accepted:
        """Try again what an earlier run could not finish; only for kinds that tell of `trouble`."""
        del engine, row, calls
        raise ConflictError(f"{self.name} {document['name']} cannot be tried again", hint=f"nebula {self.name} list")

    @abc.abstractmethod
    def remove(self, engine: Engine, row: Any, call: Call) -> Accepted:
        """Remove it."""


def calls_of(call: Call) -> Iterator[Call]:
    """The calls that one call becomes, each with a key of its own; only the first bears the label."""
    yield call
    number = 1
    while True:
        key = f"{call.key[:56]}-{number}" if call.key else ""
        yield msgspec.structs.replace(call, key=key, label="")
        number += 1


def cluster_name(queries: Queries, cluster_id: int) -> str:
    """The name, "" for an object of all clusters."""
    found = queries.first(ClusterRow, '"id"=?', (cluster_id,)) if cluster_id > 0 else None
    return found.name if found else ""
