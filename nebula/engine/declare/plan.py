"""What documents mean against what exists: checked as a whole, then compared one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nebula.engine.api.values import AttributeChange, Difference
from nebula.engine.declare.kind import Kind
from nebula.engine.declare.registry import KINDS, kind_named
from nebula.engine.declare.values import Document, changes, text
from nebula.engine.local.base import LABEL
from nebula.engine.secrets import without
from nebula.engine.store.rows import JobRow
from nebula.engine.store.transaction import Queries
from nebula.errors import ConflictError, NebulaError, UsageError
from nebula.names import check_name, near

Mine = Callable[[Any], bool]
"""Whether the person who asks may change a row: others are not theirs to declare."""
MOST = 10_000
"""Documents of one set."""
_OPEN = '"target_kind"=? AND "target_id"=? AND "state" IN (\'ready\', \'running\', \'waiting\') ORDER BY "id" DESC'


def checked(documents: Sequence[Mapping[str, Any]]) -> list[tuple[Kind, Document]]:
    """The documents in the order in which they can be made; UsageError for one that makes no sense."""
    if len(documents) > MOST:
        raise UsageError(f"{len(documents)} documents are too many", cause=f"at most {MOST}", hint="split them into sets")
    found: dict[str, list[Document]] = {kind.name: [] for kind in KINDS}
    seen: set[tuple[str, str]] = set()
    for number, given in enumerate(documents, 1):
        kind, document = one(given, f"document {number}")
        if (kind.name, document["name"]) in seen:
            raise UsageError(f"two documents are {kind.name} {document['name']}", hint="leave one out")
        seen.add((kind.name, document["name"]))
        found[kind.name].append(document)
    return [(kind, document) for kind in KINDS for document in kind.ordered(found[kind.name])]


def one(given: Mapping[str, Any], where: str) -> tuple[Kind, Document]:
    """A document with its kind; UsageError says what is wrong with it."""
    if not given.get("kind"):
        raise UsageError(f"{where} has no kind", hint=f"kind: {KINDS[-1].name}, or one of: {', '.join(k.name for k in KINDS)}")
    kind = kind_named(str(given["kind"]).lower(), f"{where} ({str(given.get('name', 'without a name'))[:60]}): ")
    name = given.get("name")
    if not isinstance(name, (str, int)) or not str(name):
        raise UsageError(f"{where}, a {kind.name}, has no name", hint="name: NAME")
    document = {**given, "kind": kind.name, "name": check_name(kind.name, str(name))}
    unknown = [] if kind.whole else sorted(set(document) - kind.settings - {"kind", "name"})
    if unknown:
        close = near(unknown[0], kind.settings)
        raise UsageError(
            f"{kind.name} {name} has no setting {unknown[0][:60]!r}",
            hint=f"did you mean {close[0]}?" if close else f"its settings: {', '.join(sorted(kind.settings))}",
        )
    return kind, document


def exists(queries: Queries, kind: Kind, name: str, mine: Mine) -> Any:
    """The row that a document means, None if there is none yet; ConflictError where several have the name."""
    found: list[Any] = queries.select(kind.row, f'{kind.live} AND "name"=? ORDER BY "id"', (name,))
    rows = [row for row in found if mine(row)]
    if len(rows) > 1:
        raise ConflictError(
            f"{len(rows)} {kind.name}s are called {name}: a document could mean any of them",
            hint=f"nebula {kind.name} rename {rows[-1].id} ANOTHER-NAME",
        )
    return rows[0] if rows else None


def both(queries: Queries, kind: Kind, row: Any, document: Document) -> tuple[Document, Document]:
    """(as it is, as it should be), canonical, of what the document speaks about."""
    given = {key: item for key, item in document.items() if key not in {"kind", "name", *kind.once}}
    after = _meant(queries, kind, given, row, row.name)
    before = kind.canonical(queries, kind.document(queries, row), row)
    return before if kind.whole else {key: item for key, item in before.items() if key in after}, after


def difference(queries: Queries, kind: Kind, document: Document, mine: Mine) -> Difference:
    """What is between the object and the document."""
    name = str(document["name"])
    row = exists(queries, kind, name, mine)
    if row is None:
        given = {key: item for key, item in document.items() if key not in {"kind", "name"}}
        wanted = _meant(queries, kind, given, None, name)
        return Difference(action="create", kind=kind.name, name=name, changes=tuple(changes({}, wanted, kind.hidden)))
    before, after = both(queries, kind, row, document)
    found = changes(before, after, kind.hidden)
    job = queries.first(JobRow, _OPEN, (kind.name, row.id))
    trouble = kind.trouble(row)
    if trouble and job is None:
        found.append(AttributeChange(path="state", before=trouble, after="well"))
    return Difference(
        action="update" if found else "",
        kind=kind.name,
        name=name,
        id=row.id,
        changes=tuple(found),
        job_id=job.id if job else 0,
        refused=_refused(kind, found) or kind.refused(before, after),
    )


def _meant(queries: Queries, kind: Kind, given: Document, row: Any, name: str) -> Document:
    """The document, canonical; what is wrong with it is said with its kind and name, which lead to its file."""
    try:
        return kind.canonical(queries, given, row)
    except NebulaError as error:
        error.message = f"{kind.name} {name}: {error.message}"
        raise


def _refused(kind: Kind, found: Sequence[AttributeChange]) -> str:
    fixed = sorted(top(change.path) for change in found if top(change.path) in kind.fixed)
    return f"{fixed[0].lower()} of a {kind.name} cannot be changed in place" if fixed else ""


def top(path: str) -> str:
    """The setting in which an attribute is."""
    return path.partition("/")[0].partition("[")[0]


def left_over(queries: Queries, documents: Sequence[tuple[Kind, Document]], label: str, mine: Mine) -> list[Difference]:
    """Objects that bear the label and are in no document, those that stand on others first."""
    named = {(kind.name, document["name"]) for kind, document in documents}
    rows = ((kind, row) for kind in reversed(KINDS) for row in reversed(kind.rows(queries)))
    return [
        Difference(action="remove", kind=kind.name, name=row.name, id=row.id)
        for kind, row in rows
        if row.body.get(LABEL) == label and (kind.name, row.name) not in named and mine(row)
    ]


def exported(queries: Queries, kind: Kind, row: Any) -> Document:
    """The document of what exists: without secrets, defaults, and what is empty."""
    found = kind.canonical(queries, kind.document(queries, row), row) if kind.whole else kind.document(queries, row)
    told = {key: item for key, item in without(found, kind.hidden(found)).items() if item not in (None, "", [], {})}
    told = {key: item for key, item in told.items() if key not in kind.defaults or text(kind.defaults[key]) != text(item)}
    if kind.whole:
        told = _lower(told)
    return {"kind": kind.name, "name": row.name, **told}


def _lower(value: Any) -> Any:
    """Attributes' names as people write them in YAML."""
    if isinstance(value, Mapping):
        return {str(key).lower(): _lower(item) for key, item in value.items()}
    return [_lower(item) for item in value] if isinstance(value, list) else value
