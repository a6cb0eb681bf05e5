"""What a VM's template wishes of its host: SCHED_REQUIREMENTS and SCHED_RANK, as a filter and a score."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from nebula.engine.scheduler.expressions import HOST, Rank, Requirement, rank, requirement, substituted
from nebula.engine.scheduler.refusal import Refusal
from nebula.engine.scheduler.room import Room
from nebula.engine.scheduler.values import VmView
from nebula.errors import UsageError

REQUIREMENTS = "SCHED_REQUIREMENTS"
RANKS = ("SCHED_RANK", "RANK")
_MOST_KEPT = 256
"""Results of expressions kept a room."""
_TEST = f"not meeting {REQUIREMENTS}"


def wish(template: Mapping[str, Any], *names: str) -> str:
    """The first of these attributes that is there, with the template's values put in; as written where that fails, so
    that whoever reads it says why.
    """
    text = next((str(template[name]) for name in names if template.get(name) not in (None, "")), "")
    try:
        return substituted(text, template).strip()
    except UsageError:
        return text


def names_company(text: str) -> bool:
    """Whether the requirement is about the VMs on the host, which change while a plan is carried out."""
    return "CURRENT_VMS" in text or "VMS/ID" in text


_MOVING = ("RUNNING_VMS", "CPU_USAGE", "MEM_USAGE", "CURRENT_VMS", "VMS/ID")


@lru_cache(4096)
def moves(text: str) -> bool:
    """Whether what the expression gives may change with each VM that the plan puts on a host."""
    upper = text.upper()
    return any(name in upper for name in _MOVING)


@lru_cache(4096)
def _readable(text: str) -> Requirement | None:
    try:
        return requirement(text, HOST)
    except UsageError:
        return None


@lru_cache(4096)
def _rank(text: str) -> Rank | None:
    try:
        return rank(text, HOST)
    except UsageError:
        return None


def as_required(vm: VmView, room: Room) -> Refusal | None:
    """The filter."""
    text = vm.requirements
    if not text:
        return None
    known = room.now if moves(text) else room.known
    holds = known.get(text)
    if holds is None:
        required = _readable(text)
        holds = _keep(known, text, required is not None and required.holds(room.attributes))
    return None if holds else Refusal(_TEST, lambda: _why(text, room))


def _why(text: str, room: Room) -> str:
    try:
        return f"{REQUIREMENTS}: {requirement(text, HOST).why(room.attributes)}"
    except UsageError as error:
        return error.message


def rank_of(text: str, room: Room) -> int:
    """What a rank gives for a host, and what people are told; 0 where it cannot be read."""
    known = room.now if moves(text) else room.known
    found = known.get(f"={text}")
    if found is None:
        formula = _rank(text)
        found = _keep(known, f"={text}", formula.of(room.attributes) if formula is not None else 0)
    return found


def _keep(known: dict[str, int], key: str, value: int) -> int:
    """Many VMs share an expression; where each has its own, keeping them all would only cost memory."""
    if len(known) >= _MOST_KEPT:
        known.clear()
    known[key] = value
    return value
