"""The verbs of templates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from nebula.engine.api.values import Accepted, Call, Detail, Listing, Query
from nebula.engine.api.verbs.answers import Attributes
from nebula.engine.api.verbs.belongings import Belongings


class Templates(Belongings, Protocol):
    """Templates of VMs: OpenNebula's attributes, each a text, a group of texts, or a list of those."""

    def list(self, query: Query) -> Listing: ...
    def show(self, ref: str) -> Detail:
        """All of it but what is secret; what it asks for, and the VMs that were made of it."""
        ...

    def text(self, ref: str) -> Detail:
        """`body`: its attributes with their secrets, for whoever changes it."""
        ...

    def create(self, template: Mapping[str, Any], call: Call) -> Accepted:
        """NAME is its name; all other attributes are kept as they are."""
        ...

    def update(
        self, ref: str, template: Mapping[str, Any], call: Call, append: bool = False, before: Attributes | None = None
    ) -> Accepted:
        """Put this one in its place; with `append` only these attributes, of which an empty one is taken away. `before`: what
        it was when somebody began to change it; StaleError if it is something else by now.
        """
        ...

    def rename(self, ref: str, name: str, call: Call) -> Accepted: ...
    def clone(self, ref: str, name: str, call: Call, images: bool = False) -> Accepted:
        """A copy of one's own; `images`: with copies of its disks' images, by a job each."""
        ...

    def instantiate(
        self,
        ref: str,
        call: Call,
        name: str = "",
        extra: Attributes | None = None,
        inputs: Attributes | None = None,
        hold: bool = False,
        persistent: bool = False,
    ) -> Accepted:
        """A VM of it. `extra` goes in the place of attributes of the same name (keys of CONTEXT one by one); `inputs` answers
        what it asks for. UsageError names all that is missing. `persistent`: of a copy of the template, called like the VM,
        whose images are copies, too, and persistent.
        """
        ...

    def explain(self, ref: str, call: Call, extra: Attributes | None = None, inputs: Attributes | None = None) -> Detail:
        """What would become of it, attribute by attribute, the VM that it would be, and where that could run. `ref` "": of
        `extra` alone. Nothing is changed.
        """
        ...

    def chmod(self, ref: str, mode: str, call: Call, images: bool = False) -> Accepted:
        """`images`: those of its disks, too, all or none: DeniedError for one that is not the person's to change."""
        ...

    def remove(self, ref: str, call: Call, images: bool = False) -> Accepted:
        """`images`: and those of its disks, by a job each."""
        ...
