"""Security groups as documents say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nebula.engine.api.values import Accepted, Call
from nebula.engine.api.verbs import Engine
from nebula.engine.declare.kind import Kind
from nebula.engine.declare.values import Document, group, listed, merged, upper
from nebula.engine.firewall.groups import rules_of
from nebula.engine.store.rows import NetworkRow, SecurityGroupRow
from nebula.engine.store.rows.securitygroup import DEFAULT
from nebula.engine.store.transaction import Queries


class SecurityGroups(Kind):
    """Rules, each a group of OpenNebula's RULE; what a rule names is called by its name."""

    name = "securitygroup"
    row = SecurityGroupRow
    settings = frozenset({"rules", "attributes"})
    live = f"\"name\"<>'{DEFAULT}'"

    def document(self, queries: Queries, row: SecurityGroupRow) -> Document:
        """See Kind."""
        return {"rules": [_named(queries, rule) for rule in rules_of(row)], "attributes": row.body.get("attributes", {})}

    def canonical(self, queries: Queries, document: Document, row: Any) -> Document:
        """See Kind. The order of rules means nothing."""
        found = dict(document)
        if "rules" in found:
            rules = [upper(group(item, "a rule")) for item in listed(found["rules"])]
            found["rules"] = sorted(({key: str(value) for key, value in rule.items()} for rule in rules), key=str)
        if "attributes" in found:
            found["attributes"] = upper(group(found["attributes"], "attributes"))
        return found

    def ordered(self, documents: list[Document]) -> list[Document]:
        """See Kind: one after those that its rules name."""
        left, found = list(documents), []
        while left:
            names = {str(item["name"]) for item in left}
            ready = [item for item in left if not _names(item) & names - {str(item["name"])}] or left
            found += ready
            left = [item for item in left if item not in ready]
        return found

    def create(self, engine: Engine, document: Document, calls: Iterator[Call]) -> Accepted:
        """See Kind."""
        spec = {key: value for key, value in document.items() if key != "kind"}
        spec["rules"] = [upper(group(item, "a rule")) for item in listed(document.get("rules"))]
        return engine.securitygroups.create(spec, next(calls))

    def update(
        self, engine: Engine, row: Any, before: Document, after: Document, changed: frozenset[str], calls: Iterator[Call]
    ) -> Accepted:
        """See Kind."""
        changes: Document = {"rules": after["rules"]} if "rules" in changed else {}
        if "attributes" in changed:
            changes["attributes"] = merged(before["attributes"], after["attributes"])
        return engine.securitygroups.update(str(row.id), changes, next(calls))

    def remove(self, engine: Engine, row: Any, call: Call) -> Accepted:
        """See Kind."""
        return engine.securitygroups.remove(str(row.id), call)


def _names(document: Document) -> set[str]:
    rules = [upper(group(item, "a rule")) for item in listed(document.get("rules"))]
    return {str(rule["SECURITY_GROUP"]) for rule in rules if rule.get("SECURITY_GROUP")}


def _named(queries: Queries, rule: dict[str, str]) -> dict[str, str]:
    found = dict(rule)
    group_id, network_id = found.pop("SECURITY_GROUP_ID", ""), found.pop("NETWORK_ID", "")
    if group_id:
        found["SECURITY_GROUP"] = queries.get(SecurityGroupRow, int(group_id)).name
    if network_id:
        found["NETWORK"] = queries.get(NetworkRow, int(network_id)).name
    return found
