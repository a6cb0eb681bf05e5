"""Who an engine is, for as long as its database lives, wherever that is moved or restored to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nebula.errors import NotFoundError

if TYPE_CHECKING:
    from nebula.engine.store.transaction import Queries, Transaction

_NAME = "identity"


def identity(queries: Queries) -> str:
    """The engine's UUID. NotFoundError where no owner has been there yet."""
    rows = queries.rows('SELECT "value" FROM "meta" WHERE "name"=?', (_NAME,))
    if not rows:
        raise NotFoundError("the engine has no identity yet", hint="it gets one with its first owner")
    return str(rows[0][0])


def ensure_identity(tx: Transaction, uuid: str) -> None:
    """Give it `uuid` if it has none."""
    if not tx.rows('SELECT "value" FROM "meta" WHERE "name"=?', (_NAME,)):
        tx.execute('INSERT INTO "meta" ("name", "value") VALUES (?, ?)', (_NAME, uuid))
