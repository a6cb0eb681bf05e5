"""The verbs of images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from nebula.engine.api.values import Accepted, Call, Detail, Listing, Query
from nebula.engine.api.verbs.answers import Catalogue
from nebula.engine.api.verbs.belongings import Belongings


class Images(Belongings, Protocol):
    """Images."""

    def list(self, query: Query) -> Listing: ...
    def show(self, ref: str) -> Detail: ...
    def catalogue(self) -> Catalogue: ...
    def create(self, spec: Mapping[str, Any], call: Call) -> Accepted:
        """`spec`: name, and one of path (a file on the engine's machine), url, catalogue (a name), or size (bytes, an
        empty datablock); further type (os|datablock|cdrom|context), format, persistent, datastore, checksum ("sha256:…"),
        description, host.
        """
        ...

    def clone(self, ref: str, name: str, call: Call) -> Accepted:
        """Another image of the same content, on one host that has it."""
        ...

    def rename(self, ref: str, name: str, call: Call) -> Accepted: ...
    def persistent(self, ref: str, persistent: bool, call: Call) -> Accepted: ...
    def remove(self, ref: str, call: Call) -> Accepted: ...
