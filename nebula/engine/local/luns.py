"""Images that are LUNs: what names them, and what a datastore of them is asked in vain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nebula.engine.lifecycle.states import ImageState
from nebula.engine.store.rows import DatastoreRow, ImageRow
from nebula.engine.store.transaction import Queries
from nebula.errors import ConflictError, DeniedError, UsageError

if TYPE_CHECKING:
    from nebula.engine.people import Person
    from nebula.engine.services import Services

DISKS = ("os", "datablock")
"""Types of images that a LUN can be, and that go from one datastore to another."""


def require_making(services: Services, row: DatastoreRow, what: str = "images are made") -> None:
    """ConflictError for a datastore where nothing is made."""
    if services.pool.datastore(row).capabilities.registers:
        raise ConflictError(
            f"in datastore {row.name} no {what}",
            cause=f"its images are LUNs that exist on the SAN (driver {row.driver})",
            hint=f"nebula image create NAME --source LUN --datastore {row.name}, or another datastore",
        )


def makes(services: Services, row: DatastoreRow) -> bool:
    """Whether images and disks are made in the datastore."""
    return not services.pool.datastore(row).capabilities.registers


def lun_named(queries: Queries, services: Services, row: DatastoreRow, spec: Mapping[str, Any], person: Person) -> str:
    """The LUN that a new image of the datastore is, "" where images are made. UsageError for what makes no sense, DeniedError
    for who does not administrate, ConflictError for a LUN that is an image already.
    """
    driver, asked = services.pool.datastore(row), str(spec.get("source") or "")
    if not driver.capabilities.registers:
        return driver.canonical_source(asked) if asked else ""
    if not asked:
        raise UsageError(
            f"an image of datastore {row.name} is a LUN, and none is named",
            hint=f"nebula image create NAME --source LUN --datastore {row.name}",
        )
    if not person.admin:
        raise DeniedError("only administrators make a LUN an image: whatever is in it may be anybody's")
    kind, form = str(spec.get("type") or "os").lower(), str(spec.get("format") or "raw")
    if kind not in DISKS:
        raise UsageError(f"a LUN is no image of type {kind[:40]}", hint=f"one of: {', '.join(DISKS)}")
    if form != "raw" and not (spec.get("path") or spec.get("url") or spec.get("catalogue")):
        raise UsageError(f"a LUN is raw, whatever is in it: got {form[:40]}", hint="leave --format out")
    lun = driver.canonical_source(asked)
    _require_new(queries, lun)
    return lun


def _require_new(queries: Queries, lun: str) -> None:
    other = next((image for image in queries.select(ImageRow) if image.body.get("lun") == lun), None)
    if other is not None:
        raise ConflictError(
            f"LUN {lun} is image {other.name} ({other.id}) already",
            cause="two images of one LUN would have two VMs write to it",
            hint=f"nebula image {'remove' if other.state == ImageState.ERROR else 'show'} {other.id}",
        )
