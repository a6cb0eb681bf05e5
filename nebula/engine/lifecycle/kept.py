"""Which row of the table a verb means for a VM that waits and has disks already: it was stopped or undeployed."""

from __future__ import annotations

from nebula.engine.lifecycle.moves import place_of
from nebula.engine.lifecycle.table import HOLD, PENDING
from nebula.engine.store.rows import VmRow

_WITH_DISKS = {verb: f"{verb}-kept" for verb in ("terminate", "recover-delete", "recover-recreate")}


def verb_of(vm: VmRow, verb: str) -> str:
    """The verb as the table names it."""
    if vm.kept_on < 0 or place_of(vm) not in {PENDING, HOLD}:
        return verb
    if verb == "deploy":
        return "deploy-stopped" if vm.body.get("memory") else "deploy-undeployed"
    return _WITH_DISKS.get(verb, verb)
