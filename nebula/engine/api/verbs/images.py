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
        description, host. `source`: in a datastore of LUNs, the LUN that is the image; what it comes from, if anything, is
        written into it.
        """
        ...

    def clone(self, ref: str, name: str, call: Call, datastore: str = "", source: str = "") -> Accepted:
        """Another image of the same content, on one host that has it: in the same datastore, or in another one, where `source`
        is the LUN into which it is written.
        """
        ...

    def rename(self, ref: str, name: str, call: Call) -> Accepted: ...
    def persistent(self, ref: str, persistent: bool, call: Call) -> Accepted: ...
    def remove(self, ref: str, call: Call) -> Accepted: ...
