"""OneGate of the façade: where guests report to, and what they say."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv6Address, IPv6Network
from typing import Any

from nebula.engine.api.values import Accepted, Call, Detail, GateView
from nebula.engine.lifecycle.moves import place_of
from nebula.engine.local.base import Noun
from nebula.engine.machines.machine import Alias, Machine, Nic, body_of, machine_of
from nebula.engine.onegate import REFUSED, admitted, checked_settings, gate_settings, keep_settings, reported
from nebula.engine.secrets import hide, hide_template
from nebula.engine.store.rows import VmRow
from nebula.engine.store.transaction import Queries, Transaction

_LIVE = '"id"=? AND "state"<>6'
_ULA = IPv6Network("fc00::/7")


class LocalOneGate(Noun):
    """See nebula.engine.api.verbs.OneGate."""

    noun = "onegate"
    _listening = False
    _problem = "no daemon runs: nebula --daemon"

    def show(self) -> GateView:
        """As it is set, and whether guests reach it."""
        kept = gate_settings(self._store.read())
        listening = bool(kept.listen) and self._listening
        problem = "" if listening or not kept.listen else self._problem
        return GateView(listen=kept.listen, endpoint=kept.endpoint, listening=listening, problem=problem)

    def heard(self, problem: str) -> None:
        """From whoever listens: "" where guests can report, else why they cannot."""
        self._listening, self._problem = not problem, problem

    def set(self, listen: str, call: Call, endpoint: str = "") -> Accepted:
        """See OneGate.set: the daemon watches for the event."""
        settings = checked_settings(listen, endpoint)
        words = f"let guests report to {settings.endpoint}, on {settings.listen}" if settings.listen else "let no guest report"

        def work(tx: Transaction) -> Accepted:
            keep_settings(tx, settings)
            tx.event("onegate.set", "engine", 0, actor=call.actor, listen=settings.listen, endpoint=settings.endpoint)
            return Accepted(kind="engine", id=0, name=str(self._services.home), would=(words,) if call.dry_run else ())

        return self._change(call, work)

    def vm(self, vm_id: int, token: str) -> Detail:
        """See OneGate.vm."""
        vm = _admitted(self._store.read(), vm_id, token)
        return Detail(kind="vm", id=vm.id, name=vm.name, body=_as_onegate(vm, machine_of(vm)))

    def report(self, vm_id: int, token: str, attributes: Mapping[str, Any], call: Call) -> Accepted:
        """See OneGate.report. What was said before is not written again."""

        def work(tx: Transaction) -> Accepted:
            vm = _admitted(tx, vm_id, token)
            machine = machine_of(vm)
            after = reported(machine.reported, attributes)
            if after != machine.reported or call.dry_run:
                changed = sorted(name for name in {*after, *machine.reported} if after.get(name) != machine.reported.get(name))
                machine.reported = after
                tx.swap(vm, body=body_of(machine))
                tx.event("vm.reported", "vm", vm.id, actor=call.actor, name=vm.name, attributes=changed[:50])
            return Accepted(kind="vm", id=vm.id, name=vm.name)

        return self._change(call, work)


def _admitted(queries: Queries, vm_id: int, token: str) -> VmRow:
    return admitted(queries.first(VmRow, _LIVE, (vm_id,)) if 0 < vm_id < 2**63 else None, token)


def _as_onegate(vm: VmRow, machine: Machine) -> dict[str, Any]:
    place = place_of(vm)
    own = {name: _texts(value) for name, value in hide_template(machine.template).items() if name not in REFUSED}
    return {
        "NAME": vm.name,
        "ID": str(vm.id),
        "STATE": str(int(place.state)),
        "LCM_STATE": str(int(place.lcm)),
        "USER_TEMPLATE": {**own, **hide(machine.reported)},
        "TEMPLATE": _cards(machine),
    }


def _cards(machine: Machine) -> dict[str, Any]:
    found = {"NIC": [_card(nic, nic.title) for nic in machine.nics]}
    aliases = [(nic, alias) for nic in machine.nics for alias in nic.aliases]
    if aliases:
        found["NIC_ALIAS"] = [
            {**_card(alias, alias.name), "PARENT": nic.title, **({"EXTERNAL": "YES"} if alias.external else {})}
            for nic, alias in aliases
        ]
    return found


def _card(card: Nic | Alias, name: str) -> dict[str, str]:
    six = "IP6_ULA" if card.ip6 and IPv6Address(card.ip6) in _ULA else "IP6_GLOBAL"
    values = {"NAME": name, "NETWORK": card.network, "MAC": card.mac, "IP": card.ip, "IP6_ULA": card.ip6_ula, six: card.ip6}
    return {name: value for name, value in values.items() if value}


def _texts(value: Any) -> Any:
    """All values of a template are texts there."""
    if isinstance(value, Mapping):
        return {str(name): _texts(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_texts(item) for item in value]
    return "" if value is None else "YES" if value is True else "NO" if value is False else str(value)
