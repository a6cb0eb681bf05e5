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
        description, attributes, host. `source`: in a datastore of LUNs, the LUN that is the image; what it comes from, if
        anything, is written into it.
        """
        ...

    def clone(self, ref: str, name: str, call: Call, datastore: str = "", source: str = "") -> Accepted:
        """Another image of the same content, on one host that has it: in the same datastore, or in another one, where `source`
        is the LUN into which it is written.
        """
        ...

    def rename(self, ref: str, name: str, call: Call) -> Accepted: ...
    def persistent(self, ref: str, persistent: bool, call: Call) -> Accepted: ...
    def update(self, ref: str, changes: Mapping[str, Any], call: Call) -> Accepted:
        """`changes`: attributes of one's own, of which an empty value takes one away; description."""
        ...

    def enable(self, ref: str, call: Call) -> Accepted:
        """VMs are made of it again."""
        ...

    def disable(self, ref: str, call: Call) -> Accepted:
        """No VM gets it until it is enabled; refused while one has it."""
        ...

    def chtype(self, ref: str, kind: str, call: Call) -> Accepted:
        """From now on it is an image of that type: os, datablock or cdrom. Refused while a VM has it."""
        ...

    def remove(self, ref: str, call: Call) -> Accepted: ...
