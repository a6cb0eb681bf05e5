"""What an owner does once when it starts: the first objects of a new home, old answers forgotten, autostart."""

from __future__ import annotations

from nebula.engine.services import Services
from nebula.engine.store.rows import ClusterRow, DatastoreRow
from nebula.engine.store.transaction import Transaction


def begin(services: Services) -> None:
    """One transaction."""
    services.store.write(lambda tx: _begin(tx, services))


def _begin(tx: Transaction, services: Services) -> None:
    if not tx.count(ClusterRow):
        tx.insert(ClusterRow(name="default"))
        tx.insert(DatastoreRow(name="system", type="system", driver="ssh"))
        tx.insert(DatastoreRow(name="default", type="image", driver="ssh"))
        tx.insert(DatastoreRow(name="files", type="file", driver="ssh"))
    tx.execute('DELETE FROM "request" WHERE "at"<?', (tx.now - services.settings.request_memory,))
    newest = int(tx.rows('SELECT COALESCE(MAX("id"),0) FROM "event"')[0][0])
    tx.execute('DELETE FROM "event" WHERE "id"<?', (newest - services.settings.event_memory,))
