"""Images that are files and that a template names: found anew each time, by id or name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nebula.engine.machines.hardware.system import boot_files
from nebula.engine.store.rows import ImageRow
from nebula.engine.store.transaction import Queries
from nebula.errors import NotFoundError


def find_image(queries: Queries, ref: str) -> ImageRow | None:
    """As `local.base.resolve` finds it, which checked it when the template came."""
    row = None
    if ref.isascii() and ref.isdecimal() and len(ref) < 19:
        row = queries.first(ImageRow, '"id"=?', (int(ref),))
    return row or queries.first(ImageRow, '"name"=?', (ref,))


def image_asked_for(queries: Queries, ref: str, why: str) -> ImageRow:
    """NotFoundError, with `why` in it, where there is none."""
    row = find_image(queries, ref)
    if row is None:
        raise NotFoundError(f"there is no image {ref[:80]!r}, which {why}", hint="nebula image list")
    return row


def boot_datastores(queries: Queries, template: Mapping[str, Any]) -> set[int]:
    """The datastores of what a VM boots from."""
    found = (find_image(queries, ref) for ref in boot_files(template).values())
    return {image.datastore_id for image in found if image is not None}
