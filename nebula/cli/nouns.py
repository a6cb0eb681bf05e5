"""From a noun to the part of the engine that answers for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nebula.engine.api.values import Accepted, Call, Detail, Finding, Listing, Query
    from nebula.engine.api.verbs import Engine

    Findings = list[Finding]

_ATTRIBUTES = {"vm": "vms", "drs": "drs"}


class Part(Protocol):
    """What the parts of the engine have in common; which verbs one has says the command table."""

    def list(self, query: Query) -> Listing:
        """See the engine's verbs."""
        ...

    def show(self, ref: str) -> Detail:
        """See the engine's verbs."""
        ...

    def rename(self, ref: str, name: str, call: Call) -> Accepted:
        """See the engine's verbs."""
        ...

    def update(self, ref: str, changes: Mapping[str, object], call: Call) -> Accepted:
        """See the engine's verbs."""
        ...

    def remove(self, ref: str, call: Call) -> Accepted:
        """See the engine's verbs."""
        ...

    def check(self, ref: str) -> Findings:
        """See the engine's verbs."""
        ...


def part(engine: Engine, noun: str) -> Part:
    """engine.vms for "vm", and so on."""
    return cast("Part", getattr(engine, _ATTRIBUTES.get(noun, f"{noun}s")))
