"""What Nebula does with each attribute of a template, for whoever wants to know before."""

from __future__ import annotations

from functools import cache
from typing import Literal

from nebula.engine.machines.hardware.declared import APART, BLOCKS, Attribute

Status = Literal["done", "kept", "refused", "none", "unknown"]
_NOTES: dict[str, str] = {
    "NAME": "the VM's name",
    "CPU": "cores promised to it on its host",
    "VCPU": "virtual CPUs",
    "MEMORY": "MiB",
    "HOST": "the only host for it",
    "CLUSTER": "the only cluster for it",
    "CLUSTER_ID": "the only cluster for it",
    "VMGROUP": "its role in a VM group",
    "SCHED_REQUIREMENTS": "what its host must be",
    "SCHED_RANK": "which host it likes best",
    "RANK": "which host it likes best",
    "SCHED_DS_REQUIREMENTS": "what the datastore of empty disks must be",
    "SCHED_DS_RANK": "which datastore empty disks like best",
    "SCHED_POLICY": "how its host is chosen",
    "USER_PRIORITY": "which of its owner's VMs comes first",
    "SUBMIT_ON_HOLD": "not placed until released",
    "AUTOSTART": "started again after its host lost power",
    "USER_INPUTS": "asked when a VM is made of it",
    "INPUTS_ORDER": "the order in which that is asked",
    "TEMPLATE_ID": "the template that a VM was made of",
    "DESCRIPTION": "for people",
    "CONTEXT": "told to the guest on its context CD",
}
"""Of attributes that are done, beside what is declared."""
_OPEN = frozenset({"CONTEXT", "USER_INPUTS"})
"""Groups whose keys are everybody's own."""


def known(name: str, key: str = "") -> tuple[Status, str]:
    """What becomes of an attribute, or of a group's key, and a remark."""
    if name in _OPEN or (not key and name in _NOTES):
        return "done", _NOTES[name]
    found = _declared(name).get(key) if key else _whole().get(name)
    if found is None:
        return "unknown", "kept as it is; nothing reads it"
    return found.status, found.note


@cache
def _declared(block: str) -> dict[str, Attribute]:
    return {attribute.name: attribute for attribute in (BLOCKS.get(block) or APART.get(block) or ())}


@cache
def _whole() -> dict[str, Attribute]:
    """Attributes of the template itself."""
    return _declared("") | _declared("Placement") | _declared("USER_INPUTS")
