"""The verbs of declarations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from nebula.engine.api.values import Accepted, Call
from nebula.engine.api.verbs.answers import Differences, Rows


class Declarations(Protocol):
    """Objects as documents say: mappings of `kind`, `name` and the settings that the noun's own verbs take."""

    def export(self, kinds: Sequence[str] = ()) -> Rows:
        """Documents of what exists, of these kinds or of all, in the order in which it can be made; secrets are left out."""
        ...

    def compare(self, documents: Sequence[Mapping[str, Any]], label: str = "", prune: bool = False) -> Differences:
        """What would have to change, in the order in which it can; with `prune` also what bears the label and is in no
        document. UsageError for documents that make no sense; secrets are hidden.
        """
        ...

    def make(self, document: Mapping[str, Any], call: Call) -> Accepted:
        """Make one object so, by its noun's verbs; what is so already stays. A new object bears the call's label."""
        ...

    def remove(self, kind: str, ref: str, label: str, call: Call) -> Accepted:
        """Remove an object, or end a VM, that bears the label; ConflictError for any other."""
        ...
