"""Security groups of the façade."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from nebula.engine.api.values import Accepted, Call, Detail
from nebula.engine.firewall.groups import leases_with, naming, networks_with, rules_of
from nebula.engine.firewall.refresh import apply_group
from nebula.engine.firewall.rules import Names, Rule, regular_rules
from nebula.engine.local.access import Right, belongs
from nebula.engine.local.attributes import with_attributes
from nebula.engine.local.base import OwnedNoun, free_name, resolve, usable
from nebula.engine.secrets import hide
from nebula.engine.store.rows import NetworkRow, SecurityGroupRow, VmRow
from nebula.engine.store.rows.securitygroup import DEFAULT
from nebula.engine.store.transaction import Queries, Transaction
from nebula.errors import ConflictError, UsageError

_CHANGES = frozenset({"rules", "add", "without", "attributes"})


class LocalSecurityGroups(OwnedNoun):
    """See nebula.engine.api.verbs.SecurityGroups."""

    noun = "securitygroup"
    kind = SecurityGroupRow

    def show(self, ref: str) -> Detail:
        """See SecurityGroups.show."""
        queries = self._store.read()
        row = resolve(queries, SecurityGroupRow, ref)
        body = {
            "id": row.id,
            "name": row.name,
            **belongs(row),
            "rules": [{"number": number, **_told(queries, rule)} for number, rule in enumerate(rules_of(row))],
            "networks": [network.name for network in networks_with(queries, row.id)],
            "cards": _cards(queries, row.id),
            "attributes": hide(row.body.get("attributes", {})),
        }
        return Detail(kind="securitygroup", id=row.id, name=row.name, body=body)

    def create(self, spec: Mapping[str, Any], call: Call) -> Accepted:
        """See SecurityGroups.create."""
        unknown = set(spec) - {"name", "rules", "attributes"}
        if unknown:
            raise UsageError(f"a security group has no {min(unknown)[:60]!r}", hint="name, rules, attributes")

        def work(tx: Transaction) -> Accepted:
            name = free_name(tx, SecurityGroupRow, str(spec.get("name", "")))
            row = tx.insert(SecurityGroupRow(name=name, **self._belongs(call)))
            # Only now, because a rule may name the group itself.
            rules = self._rules(tx, spec.get("rules") or ())
            tx.swap(row, body=with_attributes({"rules": rules}, spec.get("attributes") or {}))
            return self._told(tx, row, "created", call)

        return self._change(call, work)

    def clone(self, ref: str, name: str, call: Call) -> Accepted:
        """See SecurityGroups.clone."""

        def work(tx: Transaction) -> Accepted:
            row = resolve(tx, SecurityGroupRow, ref)
            body = {"rules": rules_of(row), "attributes": row.body.get("attributes", {})}
            made = SecurityGroupRow(name=free_name(tx, SecurityGroupRow, name), **self._belongs(call), body=body)
            return self._told(tx, tx.insert(made), "created", call)

        return self._change(call, work)

    def rename(self, ref: str, name: str, call: Call) -> Accepted:
        """Another name; cards and networks keep it."""
        self._refuse_default(ref, "renamed")
        return self._rename(SecurityGroupRow, ref, name, call)

    def update(self, ref: str, changes: Mapping[str, Any], call: Call) -> Accepted:
        """See SecurityGroups.update."""
        unknown = set(changes) - _CHANGES
        if unknown or not changes:
            raise UsageError(
                f"a security group has no {min(unknown)[:60]!r} to change" if unknown else "nothing is to be changed",
                hint=f"one of: {', '.join(sorted(_CHANGES))}",
            )

        def work(tx: Transaction) -> Accepted:
            row = resolve(tx, SecurityGroupRow, ref)
            before, rules = rules_of(row), self._changed(tx, row, changes)
            body = with_attributes({**row.body, "rules": rules}, changes.get("attributes") or {})
            tx.swap(row, body=body)
            accepted = self._told(tx, row, "updated", call, changed=sorted(changes))
            if rules == before or not leases_with(tx, row.id):
                return accepted
            job_id = apply_group(tx, self._services, row, call.actor)
            return msgspec.structs.replace(accepted, job_id=0 if call.dry_run else job_id)

        return self._change(call, work)

    def commit(self, ref: str, call: Call) -> Accepted:
        """See SecurityGroups.commit."""

        def work(tx: Transaction) -> Accepted:
            row = resolve(tx, SecurityGroupRow, ref)
            job_id = apply_group(tx, self._services, row, call.actor, clean=True)
            return Accepted(kind="securitygroup", id=row.id, name=row.name, job_id=0 if call.dry_run else job_id)

        return self._change(call, work)

    def remove(self, ref: str, call: Call) -> Accepted:
        """See SecurityGroups.remove."""
        self._refuse_default(ref, "removed")

        def work(tx: Transaction) -> Accepted:
            row = resolve(tx, SecurityGroupRow, ref)
            self._refuse_used(tx, row)
            tx.delete(row)
            return self._told(tx, row, "removed", call)

        return self._change(call, work)

    # --- parts

    def _rules(self, tx: Transaction, given: Any, own: Sequence[Rule] = ()) -> list[Rule]:
        """Rules that are there already may name what this person may not."""
        known = {rule.get(key) for rule in own for key in ("NETWORK_ID", "SECURITY_GROUP_ID")}

        def finder(kind: type[NetworkRow] | type[SecurityGroupRow]) -> Names:
            def find(ref: str) -> int:
                if ref in known:
                    return int(ref)
                found: NetworkRow | SecurityGroupRow = usable(tx, kind, ref, self.person, Right.USE)
                return found.id

            return find

        return regular_rules(given, finder(NetworkRow), finder(SecurityGroupRow))

    def _changed(self, tx: Transaction, row: SecurityGroupRow, changes: Mapping[str, Any]) -> list[Rule]:
        before = rules_of(row)
        if "rules" in changes:
            return self._rules(tx, changes["rules"] or (), before)
        gone = {_number(row, number, len(before)) for number in changes.get("without") or ()}
        kept = [rule for number, rule in enumerate(before) if number not in gone]
        return self._rules(tx, [*kept, *(changes.get("add") or ())], before)

    def _refuse_default(self, ref: str, done: str) -> None:
        row = resolve(self._store.read(), SecurityGroupRow, ref)
        if row.name == DEFAULT:
            raise ConflictError(
                f"security group {DEFAULT} cannot be {done}",
                cause="it is every home's",
                hint="its rules can: nebula securitygroup update",
            )

    def _refuse_used(self, tx: Transaction, row: SecurityGroupRow) -> None:
        """Deleting it would open or close what somebody meant to be as it is."""
        hint = f"nebula securitygroup show {row.id}"
        networks, others = networks_with(tx, row.id), naming(tx, "SECURITY_GROUP_ID", [row.id])
        if networks:
            raise ConflictError(f"security group {row.name} is network {networks[0].name}'s", hint=hint)
        leases = leases_with(tx, row.id)
        if leases:
            vm = tx.get(VmRow, leases[0].vm_id)
            raise ConflictError(
                f"security group {row.name} is that of card {leases[0].nic_id} of VM {vm.name} ({vm.id})", hint=hint
            )
        if any(other.id != row.id for other in others):
            other = next(other for other in others if other.id != row.id)
            raise ConflictError(f"security group {row.name} is named by a rule of {other.name}", hint=hint)


def _number(row: SecurityGroupRow, number: Any, count: int) -> int:
    text = str(number)
    if not (text.isascii() and text.isdecimal() and len(text) < 6 and int(text) < count):
        raise UsageError(f"security group {row.name} has no rule {text[:20]!r}", hint=f"nebula securitygroup show {row.id}")
    return int(text)


def _told(queries: Queries, rule: Rule) -> dict[str, Any]:
    """The rule, with names beside ids."""
    found: dict[str, Any] = dict(rule)
    if "SECURITY_GROUP_ID" in rule:
        found["SECURITY_GROUP"] = queries.get(SecurityGroupRow, int(rule["SECURITY_GROUP_ID"])).name
    if "NETWORK_ID" in rule:
        found["NETWORK"] = queries.get(NetworkRow, int(rule["NETWORK_ID"])).name
    return found


def _cards(queries: Queries, group_id: int) -> list[dict[str, Any]]:
    leases = leases_with(queries, group_id)
    names = {vm.id: vm.name for vm in queries.select(VmRow, '"state"<>6')} if leases else {}
    return [
        {"vm_id": lease.vm_id, "vm": names.get(lease.vm_id, ""), "nic_id": lease.nic_id, "ip": lease.ip or lease.ip6}
        for lease in leases
    ]
