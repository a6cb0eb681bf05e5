"""What an owner does once when it starts: the first objects of a new home."""

from __future__ import annotations

from nebula.engine.services import Services
from nebula.engine.store.rows import ClusterRow, DatastoreRow, SecurityGroupRow
from nebula.engine.store.rows.owned import COMMON
from nebula.engine.store.rows.securitygroup import DEFAULT
from nebula.engine.store.transaction import Transaction


def begin(services: Services) -> None:
    """One transaction."""
    services.store.write(_begin)


def _begin(tx: Transaction) -> None:
    if not tx.count(ClusterRow):
        tx.insert(ClusterRow(name="default"))
        tx.insert(DatastoreRow(name="system", type="system", driver="ssh"))
        tx.insert(DatastoreRow(name="default", type="image", driver="ssh"))
        tx.insert(DatastoreRow(name="files", type="file", driver="ssh"))
    if not tx.count(SecurityGroupRow, '"name"=?', (DEFAULT,)):
        rules = [{"PROTOCOL": "ALL", "RULE_TYPE": "outbound"}]
        tx.insert(SecurityGroupRow(name=DEFAULT, mode=COMMON, body={"rules": rules}))
