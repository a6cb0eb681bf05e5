"""Cards and aliases of VMs, as documents say: those that a VM has now, whenever it got them.

A card without a name of its own is called by its place in the document, so that another home gives it the same name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nebula.engine.api.values import Accepted, Call
from nebula.engine.api.verbs import Engine
from nebula.engine.declare.values import Document
from nebula.engine.firewall.groups import ATTRIBUTE
from nebula.engine.machines.cards import INHERITED
from nebula.engine.machines.machine import Machine

CARDS = frozenset({"NIC", "NIC_ALIAS"})
_CHANGES = (*INHERITED, ATTRIBUTE)
"""What `vm nic-update` changes of a card that is there."""


def present(machine: Machine) -> Document:
    """NIC and NIC_ALIAS of a VM as it is."""
    cards = [dict(machine.said_of(nic)) for nic in machine.nics]
    aliases = [
        {**alias.asked, "PARENT": _title(place, cards[place])}
        for place, nic in enumerate(machine.nics)
        for alias in nic.aliases
    ]
    return {"NIC": cards, "NIC_ALIAS": aliases}


def arranged(cards: Sequence[Document], aliases: Sequence[Document]) -> list[Document]:
    """The aliases card by card, each with the name of its card, however the document names it."""
    found = [(_place(cards, str(alias.get("PARENT") or "").strip()), alias) for alias in aliases]
    found.sort(key=lambda one: one[0])
    return [{**alias, "PARENT": _title(at, cards[at])} if at < len(cards) else alias for at, alias in found]


def change(engine: Engine, vm_id: int, machine: Machine, before: Document, after: Document, call: Call) -> Accepted | None:
    """Do what comes next, which is a job where the VM runs: a further look finds what is left. None: nothing is left."""
    vm, cards, wanted = str(vm_id), before.get("NIC", []), after.get("NIC", [])
    wanted_aliases = after.get("NIC_ALIAS", [])
    stays, new_aliases = _in_order(before.get("NIC_ALIAS", []), wanted_aliases)
    gone = [alias.nic_id for alias, keeps in zip(machine.aliases, stays, strict=True) if not keeps]
    stays, new_cards = _in_order([_fixed(card) for card in cards], [_fixed(card) for card in wanted])
    gone += [nic.nic_id for nic, keeps in zip(machine.nics, stays, strict=True) if not keeps]
    if gone:
        return engine.vms.nic_detach(vm, str(gone[0]), call)
    for nic, card, other in zip(machine.nics, cards, wanted, strict=False):
        if card != other:
            changes = {key: other.get(key, "") for key in _CHANGES if card.get(key) != other.get(key)}
            return engine.vms.nic_update(vm, str(nic.nic_id), changes, call)
    if new_cards:
        return engine.vms.nic_attach(vm, wanted[-new_cards], call)
    if new_aliases:
        alias = wanted_aliases[-new_aliases]
        place = _place(wanted, str(alias.get("PARENT", "")))
        parent = {"PARENT": str(machine.nics[place].nic_id)} if place < len(machine.nics) else {}
        return engine.vms.nic_attach(vm, {**alias, **parent}, call)
    return None


def _in_order(before: Sequence[Any], after: Sequence[Any]) -> tuple[list[bool], int]:
    """(Which of the first stay, how many of the others come after those), so that it ends in the others' order."""
    stays, place = list[bool](), 0
    for item in before:
        stays.append(place < len(after) and item == after[place])
        place += stays[-1]
    return stays, len(after) - place


def _fixed(card: Document) -> Document:
    """What of a card is never changed."""
    return {key: value for key, value in card.items() if key not in _CHANGES}


def _place(cards: Sequence[Document], ref: str) -> int:
    """Which card a name, a number or a MAC address means; their count: none."""
    known = ({_title(at, card), str(at), str(card.get("MAC") or "").lower()} for at, card in enumerate(cards))
    return next((at for at, names in enumerate(known) if ref and (ref in names or ref.lower() in names)), len(cards))


def _title(place: int, card: Document) -> str:
    return str(card.get("NAME") or f"NIC{place}")
